#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "util/size.h"

namespace imgbuild {

inline constexpr int kMaxJsonDepth = 8;

/// The one JSON value in a text of strangers. Throws Error (bad input) "ORIGIN: …" if it is longer than 'limit', no JSON in
/// UTF-8, nested deeper than kMaxJsonDepth, or has a key twice in one object, of which every reader takes another one.
[[nodiscard]] nlohmann::json read_strict_json(std::string_view text, const std::string& origin, ByteSize limit);

/// "an object", "a list", "text", "a number", "true or false", "null": for "must be …, is …".
[[nodiscard]] const char* json_kind(const nlohmann::json& value);

/// A text of another machine as it may be shown: one line of at most 300 printable ASCII characters, others replaced by '?'.
[[nodiscard]] std::string harmless(std::string_view text);

}  // namespace imgbuild
