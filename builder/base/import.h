#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>

#include "base/base.h"
#include "util/command.h"
#include "util/guestfs.h"
#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

struct ImportOptions {
  std::filesystem::path disk;   ///< any format find_disk_format knows
  std::string format;           ///< as QEMU names it; empty: as the file's header says
  std::string name;             ///< of the base; may be the disk's path
  std::filesystem::path bases;  ///< cache folder the base goes to
  std::filesystem::path work;   ///< folder for temporaries, with room for twice the disk's content
  std::map<std::string, std::string> origin = {};  ///< for the manifest, besides "kind", "source", "sha256"
  ByteSize content_limit = 32_GiB;                 ///< of the files in it
  /// For reading table and file systems; the appliance's start does not count.
  std::chrono::milliseconds examination_limit{60'000};
  GuestfsOptions::Acceleration acceleration = GuestfsOptions::Acceleration::automatic;
};

/// Makes a base from a disk image with Debian or Ubuntu. The disk is parsed inside the libguestfs appliance
/// only, and no program of it is run. Needs a GPT with the root file system (ext4) last, optionally an ext4
/// /boot of its own. Takes about a minute. Throws Error (bad input) that says what is unfit: another
/// partition table, LVM, LUKS, XFS, btrfs, damaged tables or file systems, a disk that needs other files;
/// Interrupted.
[[nodiscard]] Base import_disk(const ImportOptions& options, CommandRunner& runner, Status& status);

}  // namespace imgbuild
