#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "util/disk_layout.h"

namespace imgbuild {

/// Gives 'size' bytes of a disk at 'offset'; fewer where the disk ends.
using ReadDisk = std::function<std::string(std::uint64_t offset, std::size_t size)>;

/// Digests of what a disk starts with: "code" is the boot code of sector 0, "14" all bytes of boot partition 14. In an ESP the few
/// bytes that mounting it changes count as zero: the mark that it is in use, and what FSINFO says of free clusters.
[[nodiscard]] std::map<std::string, std::string> boot_digests(const DiskLayout& layout, const ReadDisk& read);

}  // namespace imgbuild
