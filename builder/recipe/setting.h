#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>

#include "util/secret.h"

namespace imgbuild {

enum class SettingType { string, integer, boolean, fqdn, ip, cidr, port, bytes, duration, secret };

/// A setting that a recipe declares: `database_password: {type: secret}`.
struct SettingDeclaration {
  std::string name;  ///< [a-z][a-z0-9_]*
  SettingType type = SettingType::string;
  std::optional<std::string> default_value;  ///< none: required, but for a secret, which the vault makes
  std::string description;                   ///< may be empty
};

/// The values of one machine's declared settings that are no secret, as text in canonical form.
using SettingValues = std::map<std::string, std::string>;

}  // namespace imgbuild
