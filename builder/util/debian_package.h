#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace imgbuild {

/// The control file of a Debian package file: one paragraph, ending in one newline. Unpacks nothing else of it. Throws Error
/// (verification failed) if it is no package file.
[[nodiscard]] std::string read_package_control(const std::filesystem::path& package);

/// Writes the package to 'target', which must not exist, with its data part not compressed: dpkg unpacks the same files from it
/// in a third of the time. Throws Error (verification failed) if it is no package file; Interrupted.
void open_package(const std::filesystem::path& package, const std::filesystem::path& target);

/// The value of a one-line field of a control paragraph; empty if it has none.
[[nodiscard]] std::string control_field(std::string_view control, std::string_view name);

}  // namespace imgbuild
