#pragma once

#include <filesystem>
#include <string>

#include "base/base.h"
#include "util/command.h"
#include "util/guestfs.h"
#include "util/status.h"

namespace imgbuild {

struct BootstrapOptions {
  std::filesystem::path bases;     ///< cache folder the base goes to
  std::filesystem::path work;      ///< folder for temporaries, with 3 GiB of room
  std::string name = "bootstrap";  ///< of the base; its ids are made from it
  std::string mirror;  ///< URL in the place of the host's archive; empty: the host's. Security updates stay
  GuestfsOptions::Acceleration acceleration = GuestfsOptions::Acceleration::automatic;
};

/// Makes a base of the host's own distribution and release from its package archives, for amd64: kernel for
/// virtual machines, systemd, cloud-init, netplan, OpenSSH, GRUB for BIOS and UEFI. Takes two to three
/// minutes, most of it in mmdebstrap. The same packages give the same digest, whatever the time and host.
/// Needs root. Throws Error: host unfit (other distribution, no sources), step failed (mmdebstrap's own
/// words); Interrupted.
[[nodiscard]] Base bootstrap(const BootstrapOptions& options, CommandRunner& runner, Status& status);

/// mmdebstrap's arguments, for tests: strict APT options stand in the command, so no configuration of the
/// host counts.
struct MmdebstrapRequest {
  OsRelease release;
  std::filesystem::path sources;  ///< deb822
  std::filesystem::path tar;
};
[[nodiscard]] std::vector<std::string> mmdebstrap_arguments(const MmdebstrapRequest& request);

/// Takes from a fresh tree what is unique or depends on the run, and gives it fstab, GRUB's settings and APT
/// sources.
void prepare_bootstrap_tree(const std::filesystem::path& tree, const DiskLayout& layout,
                            const std::string& sources);

}  // namespace imgbuild
