#pragma once

#include <string>
#include <vector>

#include "build/builder.h"
#include "build/lock_file.h"

namespace imgbuild {

/// The lock of the plans: their bases, made if the cache lacks them, and the packages that apt would install today. Steps are done
/// as in a build, for what a step installs depends on those before it; the last packages step itself is not. Throws as build_image.
[[nodiscard]] LockFile make_lock(const std::vector<Plan>& plans, const Cache& cache, const BuildOptions& options,
                                 CommandRunner& runner, Status& status);

/// 'lock' with what 'before' has and it has not.
[[nodiscard]] LockFile merged(const LockFile& before, const LockFile& lock);

/// A package, or a base, that is another one now; empty: it was or is not there.
struct LockChange {
  std::string name;
  std::string before;
  std::string now;
  bool operator==(const LockChange&) const = default;
};

/// What is different, by name. A package that several steps install is told once for each version.
[[nodiscard]] std::vector<LockChange> changes(const LockFile& before, const LockFile& now);

}  // namespace imgbuild
