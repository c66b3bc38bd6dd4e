#pragma once

#include <string>

#include "base/base.h"
#include "util/disk_layout.h"
#include "util/guestfs.h"

namespace imgbuild {

/// What a disk in the appliance turned out to be.
struct ExaminedDisk {
  DiskLayout layout;  ///< with mount points and identities
  OsRelease release;
};

/// Finds the layout of /dev/sda, its root file system and its distribution. 'origin' begins every message.
/// Leaves all file systems of the layout mounted read only, where they belong. Throws Error (bad input)
/// saying why the disk can't be a base.
[[nodiscard]] ExaminedDisk examine_disk(Guestfs& appliance, const std::string& origin);

/// The mount point that an fstab gives the file system with this identity, or empty.
[[nodiscard]] std::string fstab_mount_point(const std::string& fstab, const Partition& partition);

}  // namespace imgbuild
