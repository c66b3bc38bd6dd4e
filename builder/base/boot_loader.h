#pragma once

#include <filesystem>
#include <string>

#include "util/command.h"
#include "util/disk_layout.h"
#include "util/guestfs.h"
#include "util/status.h"

namespace imgbuild {

/// Partition types of the UEFI specification and of GRUB's manual.
inline constexpr const char* kBiosBootType = "21686148-6449-6E6F-744E-656564454649";
inline constexpr const char* kEspType = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
inline constexpr const char* kLinuxType = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// A disk of 2 GiB laid out as cloud images are: bios-boot (14), ESP (15), root (1) in the end, labelled
/// cloudimg-rootfs. All ids are made from 'name', so that the same name always gives the same.
[[nodiscard]] DiskLayout cloud_layout(const std::string& name);

/// What installing the boot loader needs.
struct BootLoaderRequest {
  std::filesystem::path tree;  ///< with kernel, initrd and GRUB's packages; its /boot/grub is filled
  DiskLayout layout;
  std::filesystem::path raw;   ///< disk to make; must not exist
  std::filesystem::path work;  ///< existing folder for temporaries
  std::chrono::sys_seconds newest;
  GuestfsOptions::Acceleration acceleration = GuestfsOptions::Acceleration::automatic;
};

/// Makes a disk from the tree and installs GRUB on it for BIOS and for UEFI (removable path, no NVRAM),
/// inside the libguestfs appliance. Afterwards the disk's boot area is complete, and the tree has what
/// belongs to it below /boot/grub. The same tree gives the same boot area. Throws Error, Interrupted.
void install_boot_loader(const BootLoaderRequest& request, CommandRunner& runner, Status& status);

/// Sets the modification time of everything in a tree that is later than 'newest' to it.
void pin_times(const std::filesystem::path& tree, std::chrono::sys_seconds newest);

}  // namespace imgbuild
