#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "util/command.h"
#include "util/size.h"

namespace imgbuild {

/// The format of a disk image: by its name (.qcow2, .raw, .vmdk, .vdi, .vhdx). Never by its content, which
/// the machine inside may have written. Throws Error (bad input) for another name.
[[nodiscard]] std::string format_by_name(const std::filesystem::path& image);

/// What qemu-img says of it. Throws Error (bad input) if there is no such file or it is not of that format.
[[nodiscard]] ByteSize virtual_size(const std::filesystem::path& image, const std::string& format,
                                    CommandRunner& runner);

/// A qcow2 disk that holds what differs from 'image'. Nothing happens if 'disk' exists. 'size' enlarges it.
/// Throws Error (bad input) if 'disk' exists and was made for another image.
void make_difference_disk(const std::filesystem::path& disk, const std::filesystem::path& image,
                          const std::string& format, std::optional<ByteSize> size, CommandRunner& runner);

}  // namespace imgbuild
