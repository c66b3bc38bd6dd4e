#include <algorithm>
#include <set>

#include "util/error.h"
#include "util/utf8.h"
#include "util/yaml.h"
#include "util/yaml_text.h"

namespace imgbuild::yaml {
namespace {

/// Readers look at most 1024 characters ahead for the colon (YAML 1.2.2, section 7.4.3).
constexpr std::size_t kLongestKey = 1000;

/// ASCII escapes that YAML 1.1, YAML 1.2 and yaml-cpp know alike.
void append_escaped(std::string& out, char32_t code) {
  switch (code) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  const auto number = static_cast<unsigned>(code);
  if (number >= 0x20 && number < 0x7F)
    out += static_cast<char>(number);
  else if (number > 0xFFFF)
    out += fmt::format("\\U{:08X}", number);
  else
    out += fmt::format("\\u{:04X}", number);
}

std::string quoted(std::string_view text, const std::string& place) {
  if (holds_control_character(text)) {
    throw Error(ExitCode::bad_input, "{}: the text holds a control character, which YAML can't carry", place)
        .set_hint("encode it as base64");
  }
  std::string out = "\"";
  for (std::size_t offset = 0; offset < text.size();) {
    const Utf8Character character = decode_utf8(text, offset);
    if (character.length == 0) {
      throw Error(ExitCode::bad_input, "{}: the text is no UTF-8, which YAML can't carry", place)
          .set_hint("encode it as base64");
    }
    append_escaped(out, character.code);
    offset += character.length;
  }
  return out + '"';
}

bool is_bare_key(std::string_view key) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !key.empty() && letter(key.front()) && std::all_of(key.begin(), key.end(), inner) &&
         plain_type(key) == PlainType::text;
}

class Emitter {
 public:
  std::string out;

  /// Writes what follows "key:" or "-", newline included.
  void value(const Node& node, std::size_t indent, const std::string& place) {
    if (node.kind == Kind::map && !node.entries.empty()) {
      out += '\n';
      entries(node, indent, place);
    } else if (node.kind == Kind::list && !node.items.empty()) {
      out += '\n';
      items(node, indent, place);
    } else {
      out += ' ' + single(node, place) + '\n';
    }
  }

  void entries(const Node& node, std::size_t indent, const std::string& place) {
    std::set<std::string_view> seen;
    for (const Entry& entry : node.entries) {
      if (!seen.insert(entry.key).second)
        throw Error(ExitCode::bad_input, "{}: repeated key {}", named(place), shown(entry.key));
      const std::string inner = place.empty() ? entry.key : place + "." + entry.key;
      if (&entry != &node.entries.front() || !first_in_item_) out.append(indent, ' ');
      first_in_item_ = false;
      out += key(entry.key, named(place)) + ':';
      value(entry.value, indent + 2, inner);
    }
  }

  void items(const Node& node, std::size_t indent, const std::string& place) {
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const Node& item = node.items[i];
      const std::string inner = fmt::format("{}[{}]", place, i);
      out.append(indent, ' ');
      out += '-';
      if (item.kind == Kind::map && !item.entries.empty()) {
        out += ' ';
        first_in_item_ = true;
        entries(item, indent + 2, inner);
      } else {
        value(item, indent + 2, inner);
      }
    }
  }

  static std::string single(const Node& node, const std::string& place) {
    if (node.kind == Kind::map) return "{}";
    if (node.kind == Kind::list) return "[]";
    if (node.kind == Kind::null) return "null";
    const PlainType type = plain_type(node.text);
    const bool bare =
        node.style == Style::plain && (type == PlainType::boolean || type == PlainType::integer);
    return bare ? node.text : quoted(node.text, named(place));
  }

 private:
  static std::string key(const std::string& name, const std::string& place) {
    const std::string written = is_bare_key(name) ? name : quoted(name, place);
    if (written.size() <= kLongestKey) return written;
    throw Error(ExitCode::bad_input, "{}: key {} is longer than {} bytes", place, shown(name), kLongestKey);
  }

  static std::string named(const std::string& place) { return place.empty() ? "document" : place; }

  bool first_in_item_ = false;  ///< the next key stands behind "- "
};

}  // namespace

std::string emit(const Node& root) {
  Emitter emitter;
  if (root.kind == Kind::map && !root.entries.empty())
    emitter.entries(root, 0, "");
  else if (root.kind == Kind::list && !root.items.empty())
    emitter.items(root, 0, "");
  else
    emitter.out = Emitter::single(root, "") + '\n';
  return emitter.out;
}

}  // namespace imgbuild::yaml
