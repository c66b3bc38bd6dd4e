#pragma once

#include <filesystem>
#include <iostream>
#include <string>

#include "base/base.h"
#include "base/bootstrap.h"
#include "util/command.h"
#include "util/guestfs.h"
#include "util/io.h"
#include "util/kvm.h"

namespace imgbuild {

/// Prints the stages, so that a slow test shows where it is.
class PrintedStatus : public SilentStatus {
 public:
  void begin(std::string_view stage) override { std::cerr << "[  stage   ] " << stage << "\n"; }
  void note(std::string_view message) override { std::cerr << "[  note    ] " << message << "\n"; }
};

/// A folder for all tests of this process.
inline const std::filesystem::path& test_folder() {
  static const io::TemporaryDirectory folder("/var/tmp", "guest-base-test");
  return folder.path();
}

/// KVM only where it works: found out once, so that not every appliance has to.
inline GuestfsOptions::Acceleration test_acceleration() {
  static const KvmVerdict verdict = [] {
    SystemCommandRunner runner;
    PrintedStatus status;
    return probe_kvm({.cache = test_folder()}, runner, status);
  }();
  return verdict.works == KvmVerdict::Works::yes ? GuestfsOptions::Acceleration::automatic
                                                 : GuestfsOptions::Acceleration::none;
}

/// The base made once by this process and used by all its tests.
inline const Base& shared_base() {
  static const Base base = [] {
    SystemCommandRunner runner;
    PrintedStatus status;
    return bootstrap(
        {.bases = test_folder() / "bases", .work = test_folder(), .acceleration = test_acceleration()},
        runner, status);
  }();
  return base;
}

/// Writes a disk of 3 GiB from a base to 'raw', as an image without any step would be.
std::filesystem::path write_disk(const Base& base, const std::filesystem::path& raw);

}  // namespace imgbuild
