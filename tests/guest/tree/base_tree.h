#pragma once

#include <filesystem>
#include <string>

namespace imgbuild {

/// A minimal Debian 12 tree as an archive, made once by mmdebstrap (about 30 s) and kept in the build folder.
[[nodiscard]] const std::filesystem::path& base_archive();

/// Where the tests keep packages between runs.
[[nodiscard]] std::filesystem::path package_cache();

/// Unpacks the base into 'folder', which is made.
void make_base_tree(const std::filesystem::path& folder);

}  // namespace imgbuild
