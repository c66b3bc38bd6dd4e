#include "recipe/project.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <system_error>

#include "util/error.h"
#include "util/io.h"
#include "util/problems.h"
#include "util/yaml.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolders[] = {"recipes", "overlays", "cidata"};

bool is_project(const fs::path& folder) {
  std::error_code ignored;
  return std::all_of(std::begin(kFolders), std::end(kFolders),
                     [&](const char* name) { return fs::is_directory(folder / name, ignored); });
}

Project project_named(const fs::path& root) {
  if (!is_project(root)) {
    throw Error(ExitCode::bad_input, "IMGBUILD_ROOT: no folder with recipes/, overlays/ and cidata/, is '{}'",
                root.string());
  }
  return {.root = fs::canonical(root)};
}

/// Whether the file has the key "role", which fragments for `include` don't have. One that can't be read as YAML is a recipe if it
/// looks like one, so that whoever asks for it is told what is wrong there.
bool has_role(const fs::path& file) {
  const std::string text = io::read_file(file, 1_MiB);
  Problems ignored;
  if (const std::optional<yaml::Node> root = yaml::read(text, file.native(), ignored)) return yaml::find(*root, "role") != nullptr;
  return ("\n" + text).find("\nrole:") != std::string::npos;
}

}  // namespace

Project find_project() {
  const char* named = std::getenv("IMGBUILD_ROOT");
  if (named != nullptr && *named != '\0') return project_named(named);
  const fs::path start = fs::current_path();
  for (fs::path folder = start;; folder = folder.parent_path()) {
    if (is_project(folder)) return {.root = folder};
    if (folder == folder.root_path()) break;
  }
  throw Error(ExitCode::bad_input, "no folder with recipes/, overlays/ and cidata/ is '{}' or above it",
              start.string())
      .set_hint("go into the project's folder, or set IMGBUILD_ROOT to it");
}

std::vector<std::string> list_roles(const Project& project) {
  std::vector<std::string> roles;
  for (const fs::directory_entry& entry : fs::directory_iterator(project.recipes()))
    if (entry.is_regular_file() && entry.path().extension() == ".yml" && has_role(entry.path()))
      roles.push_back(entry.path().stem().string());
  std::sort(roles.begin(), roles.end());
  return roles;
}

std::string display_path(const Project& project, const fs::path& file) {
  const fs::path relative = file.lexically_relative(project.root);
  const bool below = !relative.empty() && *relative.begin() != "..";
  return below ? relative.string() : file.string();
}

}  // namespace imgbuild
