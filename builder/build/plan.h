#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "build/step_inputs.h"
#include "recipe/environment.h"
#include "recipe/project.h"
#include "recipe/recipe.h"
#include "recipe/resolve.h"
#include "tree/package_lock.h"

namespace imgbuild {

/// A step with all that decides what it does: its own keys, and the content of overlays, scripts and payloads.
struct PlannedStep {
  Step step;
  std::vector<StepInput> inputs;
  std::string digest;  ///< of both, and of the lock
  std::optional<PackageLock> lock = {};  ///< of a packages step: exactly what it installs; none: what apt chooses then
};

/// A machine that gets a seed, with the values of its role's settings.
struct PlannedMachine {
  Machine machine;
  ResolvedSettings settings;  ///< secrets without a value come from the vault
};

/// Everything one run of `imgbuild recipe` will do, decided before anything slow, networked or secret is touched.
struct Plan {
  Recipe recipe;
  Environment environment;
  std::string base;                     ///< name of a base or path of a local disk image
  std::string base_digest = {};         ///< the lock's; empty: any base of that name
  std::vector<PlannedStep> steps;
  std::vector<std::string> roles;       ///< all roles of the project whose image this is; sorted
  std::vector<PlannedMachine> machines;  ///< in the environment file's order; external ones are left out
  std::vector<Machine> group;            ///< all of ours whose seeds are of the same template, these and of other roles
  std::vector<std::string> formats;
  std::filesystem::path output;         ///< folder of the deployment
};

/// What the command line says besides role and environment.
struct PlanOptions {
  std::string role;
  std::optional<std::string> machine;   ///< only this one
  std::vector<std::string> formats;     ///< empty: the recipe's
  std::optional<std::string> base;      ///< over the environment's and the recipe's
  std::filesystem::path output_root;    ///< the deployment's folder is made below it
  /// The lock file beside the environment file: not looked at, used if it is there, or needed.
  enum class Lock { ignored, used, required } lock = Lock::ignored;
};

/// The plans of all roles of which a machine is ours (with options.machine: of that machine's role), in the environment
/// file's order; 'options.role' is not looked at. Throws as make_plan.
[[nodiscard]] std::vector<Plan> make_plans(const Project& project, const std::filesystem::path& environment_file,
                                           const PlanOptions& options);

/// Reads recipe and environment and decides. Reads files only. Throws Error (bad input) with all problems at once.
[[nodiscard]] Plan make_plan(const Project& project, const std::filesystem::path& environment_file,
                             const PlanOptions& options);

/// Digest of everything the image's bytes depend on but the versions of packages: base, disk size, steps, the files
/// they read and the release of imgbuild. Names of deployments, machines and formats are not in it.
[[nodiscard]] std::string plan_digest(const Plan& plan, const std::string& base_digest);

/// The plan for people, without a trailing newline; values of secrets as ***.
[[nodiscard]] std::string describe(const Plan& plan);

/// The same as one JSON object.
[[nodiscard]] std::string to_json(const Plan& plan);

}  // namespace imgbuild
