#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "tree/package_lock.h"

namespace imgbuild {

/// Downloads the package files into 'folder' as SHA256.deb, several at once over connections that are kept; a file that is
/// there has its digest. Plain http will do: what counts is the digest, which came from a signed list. 'proxy' empty: as
/// http_proxy, https_proxy and no_proxy say. 'progress' hears the bytes that came so far. What may pass is tried four times.
/// Throws Error: network, verification failed (another content); Interrupted.
void download_packages(const PackageLock& packages, const std::filesystem::path& folder, const std::string& proxy,
                       const std::function<void(std::uint64_t)>& progress);

}  // namespace imgbuild
