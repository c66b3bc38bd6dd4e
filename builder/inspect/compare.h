#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tree/tree_listing.h"

namespace imgbuild {

/// Something that is not as it must be.
struct Difference {
  std::string place;  ///< "/etc/hosts", "partition table", "boot code"
  std::string what;   ///< "has mode 0666, must be 0644; has another content"
  bool operator==(const Difference&) const = default;
};

/// Whether a machine may have run from the disk.
enum class Booted {
  no,   ///< every difference counts
  yes,  ///< what machines change by themselves is excepted (inspect/boot_rows.h)
};

struct Comparison {
  std::vector<Difference> differences;  ///< sorted by path
  std::vector<std::string> excepted;    ///< paths that differ as they may; sorted
  std::size_t compared = 0;             ///< things in both lists
};

/// What of a file, folder or link differs: "has mode …, must be …; …", empty if nothing does.
[[nodiscard]] std::string difference_of(const TreeRecord& expected, const TreeRecord& found);

/// Compares what a disk holds with a list; both sorted by path. Folders made by mke2fs for what a check finds (lost+found) must be
/// empty and root's alone. The time of a folder tells that a name in it came or went: where one may, it may differ too.
[[nodiscard]] Comparison compare_files(const std::vector<TreeRecord>& expected, const std::vector<TreeRecord>& found, Booted booted);

}  // namespace imgbuild
