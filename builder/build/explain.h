#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "build/last_build.h"
#include "build/layer_store.h"
#include "build/plan.h"

namespace imgbuild {

/// What a build would do with one step, and why.
struct ExplainedStep {
  std::string step;
  enum class Layer { hit, miss } layer;
  std::vector<std::string> reasons;  ///< of a miss: at least one
};

/// For each step of the plan: whether the cache has its layer, and if not, which input changed since the image was last made.
/// Reads records only, not what layers hold. 'base' is nothing if the cache has none of that name.
[[nodiscard]] std::vector<ExplainedStep> explain(const Plan& plan, const std::optional<Base>& base, const LayerStore& store,
                                                 const std::optional<LastBuild>& last);

/// What is different between the inputs of a step then and now: "overlays/web/etc/x changed", "install jq is new".
[[nodiscard]] std::vector<std::string> changes(const std::vector<StepInput>& before, const std::vector<StepInput>& now);

}  // namespace imgbuild
