#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/base.h"
#include "inspect/open_disk.h"
#include "tree/tree_listing.h"
#include "util/disk_layout.h"

namespace imgbuild {

/// How much of an image is read.
enum class Depth {
  settings,  ///< /etc and dpkg's state: seconds
  files,     ///< everything
};

/// What an image holds, read from outside.
struct ImageContent {
  std::string format;                       ///< as QEMU names it
  std::uint64_t size = 0;                   ///< virtual size, bytes
  DiskLayout layout;
  OsRelease release;
  std::vector<TreeRecord> files;            ///< of /etc, or all; sorted by path
  std::map<std::string, std::string> texts; ///< content by path, first 4 MiB: what is in /etc, and dpkg's state
};

inline constexpr const char* kDpkgStatus = "/var/lib/dpkg/status";

/// Throws Error (bad input) saying why, if it is no disk with a Debian or Ubuntu on it.
[[nodiscard]] ImageContent read_image(const std::filesystem::path& disk, Depth depth, const DiskReading& reading, CommandRunner& runner, Status& status);

}  // namespace imgbuild
