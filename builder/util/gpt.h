#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "util/disk_layout.h"

namespace imgbuild {

/// Sectors in front of the first partition (protective MBR, header, 128 entries) and behind the last one
/// (entries, header).
inline constexpr std::uint64_t kGptHeadSectors = 34;
inline constexpr std::uint64_t kGptTailSectors = 33;
/// Bytes of boot code at the start of sector 0. What follows belongs to the partition table.
inline constexpr std::size_t kBootCodeSize = 440;

/// The bytes of a partition table, as they lie on the disk.
struct GptBytes {
  std::string head;  ///< sectors 0…33; the boot code is zero
  std::string tail;  ///< the last 33 sectors
};

/// The table of a disk of 'disk_sectors' (UEFI specification 2.10, chapter 5). The same input gives the same
/// bytes. Throws Error (bad input) if a partition does not fit or a GUID is none.
[[nodiscard]] GptBytes make_gpt(const DiskLayout& layout, std::uint64_t disk_sectors);

/// Reads the primary table from 'head', the first 34 sectors of a disk of 'disk_sectors'. All partitions get
/// the content boot_area; who imports the disk finds out which are file systems. Throws Error (bad input)
/// that starts with 'origin' and says what is wrong: no table, an MBR table, a wrong checksum, partitions
/// that overlap or lie outside the disk.
[[nodiscard]] DiskLayout read_gpt(std::string_view head, std::uint64_t disk_sectors,
                                  const std::string& origin);

}  // namespace imgbuild
