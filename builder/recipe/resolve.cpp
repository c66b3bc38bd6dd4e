#include "recipe/resolve.h"

#include "util/error.h"

namespace imgbuild {

ResolvedSettings resolve_settings(const Recipe& recipe, const Environment& environment) {
  ResolvedSettings resolved;
  for (const SettingDeclaration& declaration : recipe.settings) {
    const std::string& name = declaration.name;
    const auto given = environment.settings.find(name);
    const bool is_given = given != environment.settings.end();
    if (declaration.type == SettingType::secret) {
      resolved.secrets.emplace(name, is_given ? std::optional(given->second) : std::nullopt);
    } else if (is_given) {
      resolved.values.emplace(name, given->second.reveal());
    } else if (declaration.default_value) {
      resolved.values.emplace(name, *declaration.default_value);
    } else {
      throw Error(ExitCode::bad_input, "settings: '{}' is missing, role '{}' needs it", name, recipe.role);
    }
  }
  return resolved;
}

}  // namespace imgbuild
