#pragma once

#include <filesystem>
#include <vector>

#include "build/plan.h"
#include "recipe/project.h"
#include "util/status.h"

namespace imgbuild {

/// Writes the seed of each machine of the plans, which are of one environment, into the output folder; passwords and keys come from the vault beside
/// the environment file, and are made there if it lacks them. A seed whose bytes are already there is left alone. Returns
/// the paths in the machines' order. Throws Error, Interrupted; a seed is there whole or as it was before.
[[nodiscard]] std::vector<std::filesystem::path> write_seeds(const Project& project, const std::vector<Plan>& plans,
                                                             Status& status);

/// What write_seeds would make in the vault, for a dry run: "passwords/iam_database_password", … Writes nothing.
[[nodiscard]] std::vector<std::string> missing_in_vault(const Project& project, const std::vector<Plan>& plans);

/// Throws Error (bad input) if a role's seed template, or what the vault holds already, can't be used. The plans are of one
/// environment. Writes nothing.
void check_seeds(const Project& project, const std::vector<Plan>& plans);

}  // namespace imgbuild
