#pragma once

#include <cstdint>
#include <string>

namespace imgbuild {

/// A machine with one disk, as OVF says it.
struct OvfMachine {
  std::string name;
  std::string systems;         ///< "vmx-10 virtualbox-2.2": kinds of virtual hardware, one space between
  std::string network_card;    ///< "VmxNet3", "virtio"
  std::uint64_t capacity = 0;  ///< of the disk, bytes
  std::string disk_file;       ///< streamOptimized VMDK
  std::uint64_t disk_size = 0;  ///< of that file, bytes
};

/// The descriptor (OVF 1.0, DSP0243). Its length does not depend on disk_size.
[[nodiscard]] std::string ovf(const OvfMachine& machine);

}  // namespace imgbuild
