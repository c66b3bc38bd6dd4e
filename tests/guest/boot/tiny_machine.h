#pragma once

#include <string>

namespace imgbuild {

/// A raw disk whose boot sector writes 'script' to the serial port, so that a boot takes a second even when
/// emulated and needs no kernel. It counts its boots on the disk. In the script
///   #      is the number of this boot, one digit
///   \x01   switches the machine off        \x02   reboots it
///   \x03   waits for the power button, then switches off
///   \x04   reboots it if this is the first boot
/// At the end of the script it waits for ever. At most 15 KiB.
[[nodiscard]] std::string tiny_machine_disk(const std::string& script);

}  // namespace imgbuild
