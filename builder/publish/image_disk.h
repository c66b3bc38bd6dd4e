#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "util/command.h"
#include "util/io.h"
#include "util/status.h"

namespace imgbuild {

/// A disk image opened for upload, as raw bytes. qcow2 is unpacked by `qemu-img convert` into a sparse file that goes with
/// this object (seconds, and room for the content once; a served qcow2 would have been read through a socket, slower).
class ImageDisk {
 public:
  /// Throws Error (bad input) for what is neither raw with a partition table nor qcow2 without a backing file: others upload as
  /// garbage that no machine boots from.
  ImageDisk(const std::filesystem::path& image, const std::filesystem::path& work, CommandRunner& runner, Status& status);

  [[nodiscard]] const std::filesystem::path& raw() const { return raw_; }
  /// EC2's word for how its firmware may start it: uefi-preferred with an ESP and boot code, uefi, or legacy-bios.
  [[nodiscard]] const std::string& boot_mode() const { return boot_mode_; }
  /// A stream-optimized VMDK of it, which goes with this object.
  [[nodiscard]] std::filesystem::path make_vmdk(CommandRunner& runner, Status& status);

 private:
  std::filesystem::path image_;
  std::filesystem::path raw_;
  std::filesystem::path work_;
  std::optional<io::TemporaryDirectory> folder_;
  std::string boot_mode_;
};

}  // namespace imgbuild
