#pragma once

#include <filesystem>

#include "image/disk_writer.h"

/// Archives that hold a disk and say what machine it is for.
namespace imgbuild {

/// OVA: NAME.ovf, NAME.mf with their SHA-256, NAME-disk1.vmdk, in this order, as VMware wants it.
[[nodiscard]] DiskWriter open_ova(const DiskToWrite& disk, const std::filesystem::path& out);

/// Vagrant box of vagrant-libvirt (version 1: box.img is qcow2).
[[nodiscard]] DiskWriter open_box_libvirt(const DiskToWrite& disk, const std::filesystem::path& out);

/// Vagrant box of VirtualBox.
[[nodiscard]] DiskWriter open_box_virtualbox(const DiskToWrite& disk, const std::filesystem::path& out);

}  // namespace imgbuild
