#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/setting.h"
#include "util/size.h"
#include "util/yaml_fields.h"

/// Values that recipes and environment files share. What is wrong becomes a problem; the result is empty
/// then.
namespace imgbuild {

/// The document in a file of at most 1 MiB. Throws Error (bad input) if it can't be read.
[[nodiscard]] std::optional<yaml::Node> read_document(const std::filesystem::path& file,
                                                      FileProblems& problems);

/// A size between the limits, in whole MiB.
[[nodiscard]] std::optional<ByteSize> read_size(const yaml::Fields& fields, std::string_view key,
                                                ByteSize least, ByteSize most);

/// A base: one of known_bases(), or the path of a disk image relative to 'folder', given back absolute.
[[nodiscard]] std::optional<std::string> read_base(const yaml::Fields& fields, std::string_view key,
                                                   const std::filesystem::path& folder);

/// Words to choose from.
struct Choice {
  std::string_view what;  ///< names one in "unknown WHAT 'x', did you mean 'y'?"
  std::vector<std::string> known;
};

/// A word of the choice.
[[nodiscard]] std::optional<std::string> read_choice(const yaml::Fields& fields, std::string_view key,
                                                     const Choice& choice);

/// The same of a node that is no field.
[[nodiscard]] std::optional<std::string> read_choice(FileProblems& problems, const yaml::Node& node,
                                                     const std::string& where, const Choice& choice);

/// A value of a setting's type in canonical form. The problem never shows a secret.
[[nodiscard]] std::optional<std::string> read_setting_value(FileProblems& problems, const yaml::Node& node,
                                                            const std::string& where, SettingType type);

/// The virtual size a disk can have.
inline constexpr ByteSize kLeastDisk = 1_GiB;
inline constexpr ByteSize kMostDisk = 16384_GiB;

}  // namespace imgbuild
