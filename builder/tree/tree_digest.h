#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace imgbuild {

/// What a folder holds, in short.
struct TreeDigest {
  std::string sha256;        ///< over everything below: names, modes, owners, times, links, attributes and content
  std::uint64_t bytes = 0;   ///< content of files
  std::uint64_t entries = 0;
  std::int64_t newest = 0;   ///< modification time of the newest entry, seconds since 1970
};

/// Reads the folder whole, with all processors (about 1 GiB a second on each). The folder must not change meanwhile. Unlike
/// an image's tree it may hold devices and overlayfs's own attributes, which count like any other. Throws Error, Interrupted.
[[nodiscard]] TreeDigest digest_tree(const std::filesystem::path& folder);

}  // namespace imgbuild
