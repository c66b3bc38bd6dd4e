#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "build/cache.h"
#include "build/plan.h"

namespace imgbuild {

/// A step as it was when an image was last made.
struct LastStep {
  std::string step;  ///< describe(Step)
  std::string key;   ///< of its layer
  std::vector<StepInput> inputs;
};

/// What an image was last made of, so that `explain` can tell what changed since. In the cache, builds/DIGEST.json with the
/// digest of the image's role and output folder.
struct LastBuild {
  std::string imgbuild;  ///< release
  std::string base;      ///< digest
  std::vector<LastStep> steps;
};

/// Remembers what the plan's image was made of.
void keep_last_build(const Cache& cache, const Plan& plan, const LastBuild& build);

/// What was remembered; nothing if the image was never made, or the record is damaged.
[[nodiscard]] std::optional<LastBuild> find_last_build(const Cache& cache, const Plan& plan);

}  // namespace imgbuild
