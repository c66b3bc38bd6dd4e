#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/environment.h"

namespace imgbuild {

/// A fingerprint as two people read it to each other: upper case, groups of 4 digits, two lines of 8 groups.
[[nodiscard]] std::vector<std::string> grouped_fingerprint(const std::string& fingerprint);

/// 64 lower-case hex digits of a fingerprint as people write it: any case, with colons and spaces; nothing if it is none.
[[nodiscard]] std::optional<std::string> parse_fingerprint(std::string_view text);

/// Fingerprints that somebody has got from the owners of the machines, by name. The file has a line "NAME FINGERPRINT" for
/// each; empty lines and those that begin with '#' say nothing. Throws Error (bad input) "FILE:LINE: …".
[[nodiscard]] std::map<std::string, std::string> read_fingerprints(const std::filesystem::path& file,
                                                                   const Environment& environment);

}  // namespace imgbuild
