#pragma once

#include <string>
#include <vector>

#include "util/disk_layout.h"

/// grub-mkconfig asks grub-probe which device a folder is on, and finds none where a tree is only a folder:
/// it fails, and with it the postinst of every kernel. While packages change, or grub.cfg is made, these take
/// the place of the real programs and answer from the disk layout the image will have.
namespace imgbuild {

/// A file that stands in for a program of the tree.
struct StandIn {
  std::string path;     ///< absolute in the tree, such as /usr/sbin/grub-probe
  std::string content;  ///< a script for /bin/sh; mode 0755
};

/// grub-probe and grub-mkrelpath for this layout. Bind them over the originals, where those exist; never
/// leave them there.
[[nodiscard]] std::vector<StandIn> grub_stand_ins(const DiskLayout& layout);

/// Files that must exist, empty, in the private /dev while grub-mkconfig runs: without them it writes no
/// root=UUID=. Absolute: "/dev/disk/by-uuid/…".
[[nodiscard]] std::vector<std::string> grub_device_files(const DiskLayout& layout);

}  // namespace imgbuild
