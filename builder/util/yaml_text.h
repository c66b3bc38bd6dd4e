#pragma once

#include <string_view>

#include "util/problems.h"
#include "util/size.h"

namespace imgbuild::yaml {

/// Whether the bytes may be parsed at all: size, UTF-8, no invisible characters. Notes the first problem and
/// returns false if not.
[[nodiscard]] bool check_text(std::string_view text, ByteSize limit, FileProblems& problems);

/// Whether a value (after escapes were resolved) holds a control character other than tab, newline, carriage
/// return.
[[nodiscard]] bool holds_control_character(std::string_view text);

}  // namespace imgbuild::yaml
