#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "util/command.h"
#include "util/guestfs.h"
#include "util/io.h"
#include "util/status.h"

namespace imgbuild {

/// What reading a disk needs besides it.
struct DiskReading {
  std::filesystem::path work;  ///< existing folder on a disk with room for what the image holds
  GuestfsOptions::Acceleration acceleration = GuestfsOptions::Acceleration::automatic;
};

/// A disk of others in the appliance, as /dev/sda, read only. QEMU gets it with its format said, and only if it needs no other file.
class OpenDisk {
 public:
  /// Throws Error (bad input) if it is no disk, needs another file of the host, or is damaged; else as Guestfs.
  OpenDisk(const std::filesystem::path& disk, const DiskReading& reading, CommandRunner& runner, Status& status);

  [[nodiscard]] Guestfs& appliance() { return *appliance_; }
  [[nodiscard]] const std::string& format() const { return format_; }
  /// Of this object alone; goes with it.
  [[nodiscard]] const std::filesystem::path& work() const { return work_.path(); }
  /// 'size' bytes at 'offset'; fewer where the disk ends.
  [[nodiscard]] std::string read(std::uint64_t offset, std::size_t size);

 private:
  io::TemporaryDirectory work_;
  std::string format_;
  std::unique_ptr<Guestfs> appliance_;
};

}  // namespace imgbuild
