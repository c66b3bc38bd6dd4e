#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "build/base_supply.h"
#include "build/cache.h"
#include "build/lock_file.h"
#include "build/plan.h"

namespace imgbuild {

/// Where the packages of each step of a plan stand in a lock file; empty for a step of another kind. A digest over the base's name
/// and the packages steps up to this one: what else a plan does makes no difference, so that an edited overlay keeps its lock.
/// The plan is not pinned yet.
/// (What a script installs does; then the lock does not fit any more, which install_packages finds out.)
[[nodiscard]] std::vector<std::string> lock_keys(const Plan& plan);

/// Pins a packages step to what it shall install, which makes it another step.
void pin(PlannedStep& step, PackageLock lock);

/// Pins the plan's base and packages to what the lock says, which makes it another plan. 'file' is the lock's. Throws Error (bad
/// input) with the cure if the lock knows the base or a step not.
void pin(Plan& plan, const LockFile& lock, const std::filesystem::path& file);

/// The base of the cache that the plan is pinned to, or nothing if it is not pinned or the cache has it not.
[[nodiscard]] std::optional<Base> find_pinned_base(const Plan& plan, const Cache& cache);

/// The plan's base: the pinned one of the cache, else as provide_base. Throws Error (bad input) with the cure if what that gives is
/// not the pinned one.
[[nodiscard]] Base provide_base_of(const Plan& plan, const Cache& cache, const BaseOptions& options, CommandRunner& runner, Status& status);

/// Throws Error (bad input) with the cure unless everything that the pinned plans need is in the cache, intact.
void require_everything_here(const std::vector<Plan>& plans, const Cache& cache);

}  // namespace imgbuild
