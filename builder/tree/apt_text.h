#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "util/error.h"

namespace imgbuild {

/// The whole configuration of apt for a build; given by APT_CONFIG, it reads neither the host's files nor the tree's
/// apt.conf.d. Checks that a host may have turned off are on (facts of `man apt.conf`).
[[nodiscard]] std::string apt_configuration(const std::string& proxy);

/// A package file apt wants to download.
struct PackageFile {
  std::string name;  ///< as apt names it in its cache: "nginx_1.22.1-9_amd64.deb"
  std::uint64_t size = 0;
  std::string sha256;
  bool operator==(const PackageFile&) const = default;
};

/// Reads the output of `apt-get --print-uris`. Throws Error (verification failed) for a file without a SHA-256.
[[nodiscard]] std::vector<PackageFile> parse_package_files(std::string_view output);

/// What apt was to do when it failed.
enum class AptStage { update, select, download, install };

/// The error for apt's failure in a stage; 'lines' is the end of its output.
[[nodiscard]] Error apt_error(AptStage stage, const std::vector<std::string>& lines);

}  // namespace imgbuild
