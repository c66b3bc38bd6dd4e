#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/size.h"

namespace imgbuild {

enum class SettingType { string, integer, boolean, fqdn, ip, cidr, port, bytes, duration, secret };

/// A type as recipes name it.
struct SettingTypeRow {
  SettingType type;
  std::string_view name;
  std::string_view must_be;  ///< completes "must be …"
};

/// All types, in the order of the enum.
[[nodiscard]] const std::vector<SettingTypeRow>& setting_types();

/// A setting that a recipe declares: `database_password: {type: secret}`.
struct SettingDeclaration {
  std::string name;  ///< [a-z][a-z0-9_]*
  SettingType type = SettingType::string;
  std::optional<std::string>
      default_value;        ///< canonical; none: required, but for a secret, which the vault makes
  std::string description;  ///< may be empty
  std::optional<ByteSize> leaves = {};  ///< of bytes: memory that a machine must have besides the value
};

/// The values of one machine's declared settings that are no secret, as text in canonical form.
using SettingValues = std::map<std::string, std::string>;

}  // namespace imgbuild
