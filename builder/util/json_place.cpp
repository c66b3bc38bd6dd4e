#include "util/json_place.h"

#include <algorithm>

#include "util/error.h"

namespace imgbuild {

nlohmann::ordered_json parse_json(const std::string& text, const std::string& origin) {
  try {
    return nlohmann::ordered_json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(text.size(), error.byte == 0 ? 0 : error.byte - 1));
    const auto line = 1 + std::count(text.begin(), end, '\n');
    const auto start = std::find(std::make_reverse_iterator(end), text.rend(), '\n').base();
    throw Error(ExitCode::bad_input, "{}:{}:{}: is no JSON text from here on", origin, line, end - start + 1);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ExitCode::bad_input, "{}: is no JSON text: {}", origin, reason_of(error));
  }
}

std::string reason_of(const nlohmann::json::exception& error) {
  const std::string text = error.what();
  const std::size_t end = text.find("] ");
  return end == std::string::npos ? text : text.substr(end + 2);
}

}  // namespace imgbuild
