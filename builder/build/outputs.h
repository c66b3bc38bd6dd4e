#pragma once

#include <filesystem>
#include <string>

namespace imgbuild {

/// Names in output/DEPLOYMENT/ (design: "Cache and output").
[[nodiscard]] inline std::filesystem::path manifest_path(const std::filesystem::path& output, const std::string& role) {
  return output / (role + ".manifest.json");
}
/// What `imgbuild sign` puts beside a manifest.
[[nodiscard]] inline std::filesystem::path signatures_path(std::filesystem::path manifest) { return manifest.replace_extension(".sig.json"); }
[[nodiscard]] inline std::filesystem::path provenance_path(std::filesystem::path manifest) {
  return manifest.replace_extension().replace_extension(".intoto.json");
}
[[nodiscard]] inline std::filesystem::path seed_path(const std::filesystem::path& output, const std::string& machine) {
  return output / (machine + ".seed.iso");
}

/// Throws Error (bad input) unless the folder of a deployment, below 'root', is there or can be made, and can be
/// written to. Neither may be a symbolic link: what is put there, seeds among it, would appear in another place than was named.
void require_output_folder(const std::filesystem::path& root, const std::filesystem::path& output);

}  // namespace imgbuild
