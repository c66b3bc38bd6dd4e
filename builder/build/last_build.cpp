#include "build/last_build.h"

#include <nlohmann/json.hpp>

#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

fs::path place(const Cache& cache, const Plan& plan) {
  Sha256 hash;
  for (const std::string& field : {plan.recipe.role, fs::absolute(plan.output).lexically_normal().native()}) hash.update_field(field);
  return cache.builds() / (hash.hex() + ".json");
}

Json to_json(const LastStep& step) {
  Json inputs = Json::array();
  for (const auto& [name, value] : step.inputs) inputs.push_back({name, value});
  return {{"step", step.step}, {"key", step.key}, {"inputs", inputs}};
}

LastStep step_from_json(const Json& json) {
  LastStep step{.step = json.at("step"), .key = json.at("key")};
  for (const Json& input : json.at("inputs")) step.inputs.push_back({.name = input.at(0), .value = input.at(1)});
  return step;
}

}  // namespace

void keep_last_build(const Cache& cache, const Plan& plan, const LastBuild& build) {
  Json steps = Json::array();
  for (const LastStep& step : build.steps) steps.push_back(to_json(step));
  const Json json = {{"version", 1}, {"role", plan.recipe.role}, {"imgbuild", build.imgbuild}, {"base", build.base}, {"steps", steps}};
  io::write_file(place(cache, plan), json.dump(1) + "\n", 0600);
}

std::optional<LastBuild> find_last_build(const Cache& cache, const Plan& plan) {
  const fs::path path = place(cache, plan);
  if (!fs::is_regular_file(fs::symlink_status(path))) return std::nullopt;
  try {
    const Json json = Json::parse(io::read_file(path));
    if (json.at("version") != 1) return std::nullopt;
    LastBuild build{.imgbuild = json.at("imgbuild"), .base = json.at("base")};
    for (const Json& step : json.at("steps")) build.steps.push_back(step_from_json(step));
    return build;
  } catch (const Json::exception&) {
    return std::nullopt;  // only what `explain` says depends on it
  }
}

}  // namespace imgbuild
