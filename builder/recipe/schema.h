#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "util/yaml_fields.h"

/// The keys that recipes and environment files may have, as tables. recipes/README.md explains each; a test
/// compares.
namespace imgbuild::schema {

/// One kind of map.
struct Table {
  std::string_view name;  ///< as in the headings of recipes/README.md: "recipe", "step packages", "machine"
  std::span<const yaml::Key> keys;
};

extern const std::span<const yaml::Key> kRecipe, kIncluded, kReady, kSetting;
extern const std::span<const yaml::Key> kPackages, kOverlay, kPayload, kRun, kServices;
extern const std::span<const yaml::Key> kEnvironment, kNetwork, kMachine;

/// All of them.
[[nodiscard]] const std::vector<Table>& tables();

}  // namespace imgbuild::schema
