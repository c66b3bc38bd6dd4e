#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace imgbuild {

/// The one JSON value in a text of ours that others may have touched, keys in their order. Throws Error (bad input)
/// "ORIGIN:LINE:COLUMN: is no JSON text from here on".
[[nodiscard]] nlohmann::ordered_json parse_json(const std::string& text, const std::string& origin);

/// The library's own words without its prefix: "key 'plan' not found".
[[nodiscard]] std::string reason_of(const nlohmann::json::exception& error);

}  // namespace imgbuild
