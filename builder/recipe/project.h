#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace imgbuild {

/// The folder that holds recipes/, overlays/ and cidata/.
struct Project {
  std::filesystem::path root;  ///< absolute

  [[nodiscard]] std::filesystem::path recipes() const { return root / "recipes"; }
  [[nodiscard]] std::filesystem::path overlays() const { return root / "overlays"; }
  [[nodiscard]] std::filesystem::path cidata() const { return root / "cidata"; }
};

/// The project of this run: $IMGBUILD_ROOT (set by the launcher) if that is set, else the nearest folder
/// upwards from the current one that holds the three. Throws Error (bad input) if there is none.
[[nodiscard]] Project find_project();

/// The roles that have a recipe, sorted: NAME for every recipes/NAME.yml with a key `role` (others are for
/// `include`).
[[nodiscard]] std::vector<std::string> list_roles(const Project& project);

/// 'file' as people know it: relative to the project's root if it is below it.
[[nodiscard]] std::string display_path(const Project& project, const std::filesystem::path& file);

}  // namespace imgbuild
