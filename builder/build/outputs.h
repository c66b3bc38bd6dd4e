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

}  // namespace imgbuild
