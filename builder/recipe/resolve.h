#pragma once

#include <map>
#include <optional>
#include <string>

#include "recipe/environment.h"
#include "recipe/recipe.h"
#include "recipe/setting.h"
#include "util/secret.h"

namespace imgbuild {

/// What the machines of a role are told: a value for every setting that its recipe declares.
struct ResolvedSettings {
  SettingValues values;  ///< of those that are no secret: the environment's, else the default
  std::map<std::string, std::optional<Secret>> secrets;  ///< the environment's; none: the vault makes it
};

/// 'recipe' and 'environment' were read without problems. Throws Error (bad input) naming the setting if one
/// has no value all the same.
[[nodiscard]] ResolvedSettings resolve_settings(const Recipe& recipe, const Environment& environment);

}  // namespace imgbuild
