#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "recipe/environment.h"
#include "recipe/project.h"
#include "recipe/recipe.h"
#include "util/problems.h"

namespace imgbuild {

/// The recipe of 'role', its includes in place: what they declare and do comes first. All that is wrong with
/// it goes to 'problems'; the recipe can be used if there are none. Throws Error (bad input) for a role
/// without recipe.
[[nodiscard]] Recipe read_recipe(const Project& project, const std::string& role, Problems& problems);

/// The files that the recipe of 'role' is read from: its own, and all that it includes. The recipe is one without problems.
[[nodiscard]] std::vector<std::filesystem::path> recipe_files(const Project& project, const std::string& role);

/// The environment in 'file'. The recipes of its roles are read too, for what their settings may be; what is
/// wrong with those is noted as well. The environment can be used if there are no problems. Throws Error (bad
/// input) if there is no such file.
[[nodiscard]] Environment read_environment(const Project& project, const std::filesystem::path& file,
                                           Problems& problems);

}  // namespace imgbuild
