#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "util/command.h"
#include "util/disk_layout.h"
#include "util/size.h"

/// The pieces a disk is written from. All work on a raw file that exists and has its full length; what they
/// do not write they leave, so holes stay holes. The same input gives the same bytes. To assemble a disk: set
/// its length, then copy_boot_area, write_partition_table and make_ext4 for each ext4 partition, in any
/// order.
namespace imgbuild {

/// Writes both copies of the partition table. The boot code in sector 0 stays. 'raw' must be a whole number
/// of sectors. Throws Error if a partition does not fit.
void write_partition_table(const std::filesystem::path& raw, const DiskLayout& layout);

/// Copies boot code and the partitions with content boot_area from 'from' to 'to', at the same offsets.
/// Blocks of zeroes become holes (both must be fresh there). Either may be a disk or a boot area file; 'to'
/// is made longer if needed.
void copy_boot_area(const std::filesystem::path& from, const std::filesystem::path& to,
                    const DiskLayout& layout);

/// What an ext4 file system is made from.
struct TreeSource {
  std::filesystem::path root;  ///< the tree's root folder
  std::chrono::sys_seconds
      newest;  ///< time of the file system itself; later times in the tree become this one
  /// For a tree owned by sub-uids: runs in the child before mke2fs and must enter the user namespace that
  /// maps them.
  std::function<int()> before_exec = {};
};

/// Makes the file system of 'partition' (content ext4, one of 'layout') from the part of the tree below its
/// mount point. What other partitions are mounted on becomes an empty folder. Needs read access to every
/// file; owners, modes, links, devices and extended attributes are kept, access and change times become the
/// modification time. Features no supported GRUB or mke2fs knows are left out (see kept_features). Throws
/// Error: when the tree does not fit, with a hint to raise the disk size; when mke2fs fails.
void make_ext4(CommandRunner& runner, const std::filesystem::path& raw, const DiskLayout& layout,
               const Partition& partition, const TreeSource& source);

/// Those of 'features' make_ext4 writes: known to mke2fs 1.46 and GRUB 2.06, the oldest of the supported
/// hosts and bases.
[[nodiscard]] std::vector<std::string> kept_features(const std::vector<std::string>& features);

}  // namespace imgbuild
