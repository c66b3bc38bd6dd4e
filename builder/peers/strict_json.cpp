#include "peers/strict_json.h"

#include <set>
#include <vector>

#include "util/error.h"
#include "util/problems.h"

namespace imgbuild {

using nlohmann::json;

json read_strict_json(std::string_view text, const std::string& origin, ByteSize limit) {
  if (text.size() > limit.bytes) {
    throw Error(ExitCode::bad_input, "{}: is longer than {}", origin, format_byte_size(limit));
  }
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    using enum json::parse_event_t;
    if ((event == object_start || event == array_start) && depth >= kMaxJsonDepth) {
      throw Error(ExitCode::bad_input, "{}: is nested deeper than {} levels", origin, kMaxJsonDepth);
    }
    if (event == object_start) keys.emplace_back();
    if (event == object_end) keys.pop_back();
    if (event == key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw Error(ExitCode::bad_input, "{}: key {} is there twice", origin, shown(parsed.get<std::string>()));
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::exception& error) {  // its own message shows the text
    const auto* place = dynamic_cast<const json::parse_error*>(&error);
    if (place == nullptr) throw Error(ExitCode::bad_input, "{}: holds a number that is too large", origin);
    throw Error(ExitCode::bad_input, "{}: is no JSON text, from byte {} on", origin, place->byte);
  }
}

const char* json_kind(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return "text";
  if (value.is_number()) return "a number";
  return value.is_boolean() ? "true or false" : "null";
}

std::string harmless(std::string_view text) {
  constexpr std::size_t kLongest = 300;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  std::string line;
  for (const char c : text.substr(0, kLongest)) {
    if (c == '\n') {
      line += "; ";
    } else if (c != '\r') {
      line += c >= ' ' && c <= '~' ? c : '?';
    }
  }
  return text.size() > kLongest ? line + "..." : line;
}

}  // namespace imgbuild
