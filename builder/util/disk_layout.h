#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "util/size.h"

namespace imgbuild {

inline constexpr std::uint64_t kSectorSize = 512;

/// What we know of an ext4 file system that a fresh one in its place must repeat, for the boot loader and
/// fstab to find it.
struct Ext4Identity {
  std::string uuid;                   ///< lower case
  std::string label;                  ///< may be empty
  std::vector<std::string> features;  ///< as `dumpe2fs -h` names them, sorted
  std::uint32_t inode_size = 256;     ///< bytes
  bool operator==(const Ext4Identity&) const = default;
};

/// One partition of a GPT.
struct Partition {
  enum class Content {
    boot_area,  ///< its bytes are in the boot area file (bios-boot, ESP)
    ext4,       ///< made fresh from the tree below 'mount_point'
  };
  int number = 0;    ///< 1…128, as in the table
  std::string type;  ///< type GUID, upper case
  std::string uuid;  ///< unique partition GUID, upper case
  std::string name;  ///< may be empty
  std::uint64_t first_sector = 0;
  std::uint64_t sectors = 0;
  std::vector<int> attribute_bits;  ///< such as 2 (legacy BIOS bootable); sorted
  Content content = Content::boot_area;
  std::string mount_point;  ///< of an ext4 partition: "/" or "/boot"
  Ext4Identity ext4;        ///< of an ext4 partition
  bool operator==(const Partition&) const = default;
};

/// The disk a base came on. Partitions are sorted by first sector; the one mounted on "/" is the last, so
/// that it can grow with the disk.
struct DiskLayout {
  std::string disk_guid;  ///< upper case
  std::vector<Partition> partitions;
  bool operator==(const DiskLayout&) const = default;
};

/// The partition mounted on 'mount_point' or nullptr.
[[nodiscard]] const Partition* find_mounted(const DiskLayout& layout, const std::string& mount_point);

/// The layout for a disk of 'size': the root partition, which is the last, takes all the room up to the
/// backup table, in whole MiB. Throws Error (bad input) if less than what the other partitions need plus 64
/// MiB would remain for it.
[[nodiscard]] DiskLayout fit_to_disk(const DiskLayout& layout, ByteSize size);

/// JSON, stable byte for byte, for base.json.
[[nodiscard]] std::string to_json(const DiskLayout& layout);
/// Throws Error (bad input) naming the key that is missing or wrong; 'origin' is the file's name.
[[nodiscard]] DiskLayout disk_layout_from_json(const std::string& text, const std::string& origin);

}  // namespace imgbuild
