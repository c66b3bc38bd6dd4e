#pragma once

#include <filesystem>
#include <string>

#include "util/command.h"
#include "util/size.h"

namespace imgbuild {

/// Disks larger than this are refused: no base has such a size, and some tools take time with the virtual
/// size.
inline constexpr ByteSize kMaxDisk = 2048_GiB;

/// Reads the file's own header and returns the format as QEMU names it: "qcow2", "vmdk", "vdi", "vhdx",
/// "vpc", or "raw" for all else. QEMU is not asked, for to find out it would open whatever other files the
/// header names. Throws Error (bad input) for a disk that needs another file (backing file, external data,
/// descriptor) or a key.
[[nodiscard]] std::string find_disk_format(const std::filesystem::path& path);

/// What a guest would see, from `qemu-img info` with the format said and a time limit. Throws Error (bad
/// input) if it is no disk of that format or larger than kMaxDisk.
[[nodiscard]] ByteSize find_virtual_size(const std::filesystem::path& path, const std::string& format,
                                         CommandRunner& runner);

}  // namespace imgbuild
