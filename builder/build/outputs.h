#pragma once

#include <filesystem>
#include <string>

namespace imgbuild {

/// Names in output/DEPLOYMENT/ (design: "Cache and output").
[[nodiscard]] inline std::filesystem::path manifest_path(const std::filesystem::path& output, const std::string& role) {
  return output / (role + ".manifest.json");
}
[[nodiscard]] inline std::filesystem::path seed_path(const std::filesystem::path& output, const std::string& machine) {
  return output / (machine + ".seed.iso");
}

}  // namespace imgbuild
