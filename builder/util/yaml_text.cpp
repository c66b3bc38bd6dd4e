#include "util/yaml_text.h"

#include <fmt/format.h>

#include <string>

#include "util/utf8.h"

namespace imgbuild::yaml {
namespace {

struct Range {
  char32_t first;
  char32_t last;
  std::string_view name;
};

/// Characters that nobody sees and that readers treat differently, or that make a text look like another one.
/// YAML 1.1 takes U+0085, U+2028 and U+2029 for line breaks, YAML 1.2 does not.
constexpr Range kRefused[] = {
    {0x0000, 0x0000, "NUL"},
    {0x0001, 0x0008, "control character"},
    {0x000B, 0x001F, "control character"},
    {0x007F, 0x009F, "control character"},
    {0x2028, 0x2029, "line separator"},
    {0x202A, 0x202E, "text direction mark"},
    {0x2066, 0x2069, "text direction mark"},
    {0xFEFF, 0xFEFF, "byte order mark"},
    {0xFFFE, 0xFFFF, "character that is none"},
};

/// The name of what is refused, empty if nothing is.
std::string_view refused_name(char32_t code) {
  for (const Range& range : kRefused)
    if (code >= range.first && code <= range.last) return range.name;
  return {};
}

bool is_utf16(std::string_view text) {
  if (text.size() < 2) return false;
  const std::string_view start = text.substr(0, 2);
  return start == "\xFF\xFE" || start == "\xFE\xFF" || (start[0] == '\0') != (start[1] == '\0');
}

/// What is wrong with the character at 'offset'; empty if nothing is.
std::string complaint(std::string_view text, std::size_t offset, Utf8Character character) {
  if (character.length == 0)
    return fmt::format("byte 0x{:02x} is no UTF-8", static_cast<unsigned char>(text[offset]));
  const bool line_end = character.code == '\r' && offset + 1 < text.size() && text[offset + 1] == '\n';
  if (line_end) return {};
  const std::string_view name = refused_name(character.code);
  if (name.empty()) return {};
  return fmt::format("{} U+{:04X} is not allowed", name, static_cast<unsigned>(character.code));
}

}  // namespace

bool check_text(std::string_view text, ByteSize limit, FileProblems& problems) {
  if (text.size() > limit.bytes) {
    problems.add({}, fmt::format("the file has {} bytes, at most {} are allowed", text.size(), limit.bytes));
    return false;
  }
  if (is_utf16(text)) {
    problems.add({}, "the file is UTF-16", "save it as UTF-8 without byte order mark");
    return false;
  }
  Position at;
  for (std::size_t offset = 0; offset < text.size();) {
    const Utf8Character character = decode_utf8(text, offset);
    std::string wrong = complaint(text, offset, character);
    if (!wrong.empty()) {
      problems.add(at, std::move(wrong));
      return false;
    }
    if (character.code == '\n')
      at = {.line = at.line + 1, .column = 1};
    else
      ++at.column;
    offset += character.length;
  }
  return true;
}

bool holds_control_character(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool space = c == '\t' || c == '\n' || c == '\r';
    if ((byte < 0x20 && !space) || byte == 0x7F) return true;
  }
  return false;
}

}  // namespace imgbuild::yaml
