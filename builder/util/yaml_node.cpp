#include <algorithm>
#include <regex>

#include "util/yaml.h"

namespace imgbuild::yaml {
namespace {

constexpr std::string_view kWords[] = {"y",    "n",     "yes",  "no", "on", "off",
                                       "true", "false", "null", "=",  "<<"};

/// The patterns of YAML 1.1 (as PyYAML's resolver has them) and of the YAML 1.2 core schema, together.
const std::regex& number_pattern() {
  static const std::regex pattern(
      "[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9][0-9_]*|[-+]?0x[0-9a-fA-F_]+"
      "|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\\.[0-9_]*)?"
      "|[-+]?(\\.[0-9_]+|[0-9][0-9_]*(\\.[0-9_]*)?)([eE][-+]?[0-9]+)?"
      "|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)"
      "|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \\t].*)?",
      std::regex::ECMAScript | std::regex::optimize);
  return pattern;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return all_digits(text) && (text.size() == 1 || text.front() != '0');
}

bool is_real(std::string_view text) {
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return false;
  return is_integer(text.substr(0, point)) && all_digits(text.substr(point + 1));
}

bool is_ambiguous_word(std::string_view text) {
  if (text.size() > 5) return false;
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords);
}

/// std::regex recurses over the text, so longer ones are judged by their characters.
bool looks_like_number(std::string_view text) {
  constexpr std::size_t kLongest = 100;
  if (text.empty() || std::string_view("+-.0123456789").find(text.front()) == std::string_view::npos)
    return false;
  if (text.size() > kLongest) return text.find_first_not_of("0123456789_+-.:eE") == std::string_view::npos;
  return std::regex_match(text.begin(), text.end(), number_pattern());
}

}  // namespace

PlainType plain_type(std::string_view text) {
  for (const std::string_view null : {"", "~", "null", "Null", "NULL"})
    if (text == null) return PlainType::null;
  if (text == "true" || text == "false") return PlainType::boolean;
  if (is_integer(text)) return PlainType::integer;
  if (is_real(text)) return PlainType::real;
  return is_ambiguous_word(text) || looks_like_number(text) ? PlainType::ambiguous : PlainType::text;
}

Node string(std::string text) {
  return {.kind = Kind::scalar, .style = Style::quoted, .text = std::move(text)};
}

Node number(std::int64_t value) { return {.kind = Kind::scalar, .text = std::to_string(value)}; }

Node boolean(bool value) { return {.kind = Kind::scalar, .text = value ? "true" : "false"}; }

Node list(std::vector<Node> items) { return {.kind = Kind::list, .items = std::move(items)}; }

Node strings(const std::vector<std::string>& texts) {
  Node node{.kind = Kind::list};
  for (const std::string& text : texts) node.items.push_back(string(text));
  return node;
}

Node map(std::vector<Entry> entries) { return {.kind = Kind::map, .entries = std::move(entries)}; }

const Node* find(const Node& map, std::string_view key) {
  for (const Entry& entry : map.entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

void set(Node& map, std::string key, Node value) {
  for (Entry& entry : map.entries) {
    if (entry.key != key) continue;
    entry.value = std::move(value);
    return;
  }
  map.entries.push_back({.key = std::move(key), .value = std::move(value)});
}

}  // namespace imgbuild::yaml
