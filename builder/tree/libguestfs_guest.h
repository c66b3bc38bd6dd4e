#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tree/guest.h"
#include "util/guestfs.h"
#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

struct LibguestfsGuestOptions {
  std::filesystem::path tree;          ///< the tree's folder; replaced by the result in finish()
  std::filesystem::path work;          ///< this build's own folder for a disk of the size used
  std::int64_t source_date_epoch = 0;  ///< seconds since 1970
  std::vector<std::string> device_files = {};  ///< exist, empty, in /dev: grub_device_files
  ByteSize disk = 20_GiB;              ///< virtual; what the steps may use
  GuestfsOptions::Acceleration acceleration = GuestfsOptions::Acceleration::automatic;
};

/// A guest that runs commands in the libguestfs appliance: for hosts without namespaces. Slow without KVM. Lines of a command's
/// output come when it has ended.
[[nodiscard]] std::unique_ptr<Guest> make_libguestfs_guest(const LibguestfsGuestOptions& options, Status& status);

}  // namespace imgbuild
