#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace imgbuild::iso {

/// The volume's name: Joliet's if the image has it, else the primary one. Empty if this is no ISO 9660 image.
[[nodiscard]] std::string volume_id(std::string_view image);

/// Sets every time in an image that libarchive laid out (volumes, directory records, Rock Ridge entries) to 2000-01-01
/// 00:00:00 UTC, and clears libarchive's note about itself. Throws Error if the image is not whole.
void fix_times(std::string& image);

/// Calls 'visit' for each file of the Joliet tree's root folder with its name and the bytes it has in the image, for
/// changing. Throws Error if the image is not whole.
void visit_contents(std::string& image, const std::function<void(const std::string& name, char* bytes, std::size_t size)>& visit);

}  // namespace imgbuild::iso
