#include "util/yaml_source.h"

#include <algorithm>

namespace imgbuild::yaml {

Source::Source(std::string_view text) : text_(text), line_starts_{0} {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\n') line_starts_.push_back(i + 1);
}

std::size_t Source::offset(Spot spot) const {
  const auto line = static_cast<std::size_t>(std::max(spot.line, 0));
  if (line >= line_starts_.size()) return text_.size();
  return std::min(text_.size(), line_starts_[line] + static_cast<std::size_t>(std::max(spot.column, 0)));
}

Position Source::position(Spot spot) const {
  const std::size_t line =
      std::min(static_cast<std::size_t>(std::max(spot.line, 0)), line_starts_.size() - 1);
  Position position{.line = static_cast<int>(line) + 1, .column = 1};
  const std::size_t end = offset(spot);
  for (std::size_t i = line_starts_[line]; i < end; ++i)
    if ((static_cast<unsigned char>(text_[i]) & 0xC0U) != 0x80U) ++position.column;
  return position;
}

char Source::character(Spot spot) const {
  const std::size_t at = offset(spot);
  return at < text_.size() ? text_[at] : '\0';
}

std::string_view Source::line(int number) const {
  const std::size_t start = line_starts_[static_cast<std::size_t>(number)];
  return text_.substr(start, text_.find('\n', start) - start);
}

std::optional<std::size_t> quoted_length(std::string_view source) {
  const char quote = source.front();
  for (std::size_t i = 1; i < source.size(); ++i) {
    const bool doubled = quote == '\'' && source.substr(i, 2) == "''";
    const bool escaped = quote == '"' && source[i] == '\\';
    if (doubled || escaped)
      ++i;
    else if (source[i] == quote)
      return i + 1;
  }
  return std::nullopt;
}

}  // namespace imgbuild::yaml
