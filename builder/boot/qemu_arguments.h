#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "util/size.h"

namespace imgbuild {

enum class Accelerator { automatic, kvm, tcg };
enum class Firmware { bios, uefi };

/// A network card on a segment that machines of this host share: their frames travel in datagrams to a multicast group on
/// the loopback interface. Without privileges, but every account of this host can listen and speak on it: for trials.
struct SharedSegment {
  std::string group;  ///< multicast address, 239.0.0.0/8
  int port = 0;       ///< UDP
  std::string mac;    ///< of this machine's card
};

/// The machine QEMU makes: like a cloud's, with virtio disk, network, random numbers and SCSI CD. Debian's
/// cloud kernel has no driver for AHCI, so the CD of the seed is on virtio-scsi.
struct QemuMachineSpec {
  std::filesystem::path disk;
  std::string disk_format;
  /// discarded: what the machine writes goes to a nameless temporary and is lost with it; 'disk' stays as it
  /// is.
  enum class Writes { discarded, kept } writes = Writes::discarded;
  std::optional<std::filesystem::path> seed = {};  ///< ISO, given read-only as a CD
  ByteSize memory = 2_GiB;
  unsigned cpus = 2;
  Accelerator accelerator = Accelerator::tcg;  ///< not automatic
  Firmware firmware = Firmware::bios;
  enum class Reboot { ends, allowed } reboot = Reboot::allowed;
  std::vector<int> ports = {22, 80, 443};  ///< of the machine; each gets a free one on our loopback
  std::optional<SharedSegment> segment = {};  ///< a second card beside QEMU's user network
  std::filesystem::path console_log;
  int console_fd = -1;  ///< sockets that QEMU inherits
  int monitor_fd = -1;
};

/// Identifier of the disk for the monitor's commands.
inline constexpr const char* kQemuDisk = "disk";

/// The machine starts paused. Throws Error (host unfit) if UEFI firmware is wanted and not installed.
[[nodiscard]] std::vector<std::string> qemu_arguments(const QemuMachineSpec& spec);

/// A value inside a QEMU option, where a comma is written twice.
[[nodiscard]] std::string qemu_value(const std::string& value);

}  // namespace imgbuild
