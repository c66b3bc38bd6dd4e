#include "build/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "build/layer_key.h"

namespace imgbuild {
namespace {

/// "overlay" of "overlay: web".
std::string kind_of(const std::string& step) { return step.substr(0, step.find(':')); }

/// The step as it was then: the one that reads the same, else the one of its kind in the same place.
const LastStep* counterpart(const LastBuild& last, const std::string& step, std::size_t index) {
  const auto same = std::ranges::find(last.steps, step, &LastStep::step);
  if (same != last.steps.end()) return &*same;
  return index < last.steps.size() && kind_of(last.steps[index].step) == kind_of(step) ? &last.steps[index] : nullptr;
}

/// Why no step has a layer; empty if it is not for the base.
std::string base_reason(const Plan& plan, const std::optional<Base>& base, const LayerStore& store, const std::optional<LastBuild>& last) {
  if (!base) return fmt::format("the cache has no base '{}'", plan.base);
  if (last && last->imgbuild != IMGBUILD_VERSION) return fmt::format("imgbuild was {}, is " IMGBUILD_VERSION, last->imgbuild);
  if (last && last->base != base->digest) return fmt::format("the base changed from {:.16} to {:.16}", last->base, base->digest);
  return store.record(base_layer_key(*base)) ? "" : "the base's tree is no longer in the cache";
}

/// Why a step has no layer that would have one if nothing had changed.
std::vector<std::string> reasons(const PlannedStep& planned, const std::string& key, std::size_t index, const std::optional<LastBuild>& last) {
  if (!last) return {"the image was never made here"};
  const LastStep* before = counterpart(*last, describe(planned.step), index);
  if (before == nullptr) return {"the step is new"};
  if (before->key == key) return {"its layer is no longer in the cache"};
  return changes(before->inputs, planned.inputs);
}

}  // namespace

std::vector<std::string> changes(const std::vector<StepInput>& before, const std::vector<StepInput>& now) {
  std::map<std::string, std::pair<const StepInput*, const StepInput*>> pairs;
  for (const StepInput& input : before) pairs[input.name].first = &input;
  for (const StepInput& input : now) pairs[input.name].second = &input;
  std::vector<std::string> lines;
  for (const auto& [name, pair] : pairs) {
    if (pair.first == nullptr) lines.push_back(name + " is new");
    if (pair.second == nullptr) lines.push_back(name + " is gone");
    if (pair.first != nullptr && pair.second != nullptr && pair.first->value != pair.second->value) lines.push_back(name + " changed");
  }
  if (lines.empty() && before != now) lines.emplace_back("the order changed");
  return lines;
}

std::vector<ExplainedStep> explain(const Plan& plan, const std::optional<Base>& base, const LayerStore& store,
                                   const std::optional<LastBuild>& last) {
  std::vector<ExplainedStep> steps;
  std::optional<Layer> below = base ? store.record(base_layer_key(*base)) : std::nullopt;
  std::string cause = base_reason(plan, base, store, last);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const PlannedStep& planned = plan.steps[i];
    const std::string key = below ? layer_key(*below, planned) : "";
    below = below ? store.record(key) : std::nullopt;
    ExplainedStep step{.step = describe(planned.step), .layer = ExplainedStep::Layer::hit};
    if (!below) {
      step.layer = ExplainedStep::Layer::miss;
      step.reasons = reasons(planned, key, i, last);
      if (step.reasons.empty()) step.reasons.push_back(cause.empty() ? "what it builds on was made anew" : cause);
      if (cause.empty()) cause = fmt::format("it follows step {}", i + 1);
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace imgbuild
