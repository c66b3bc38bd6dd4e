#include "util/yaml_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "util/suggest.h"

namespace imgbuild::yaml {
namespace {

std::string_view kind_name(const Node& node) {
  switch (node.kind) {
    case Kind::null:
      return "nothing";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::scalar:
      break;
  }
  if (node.style == Style::quoted) return "text";
  switch (plain_type(node.text)) {
    case PlainType::integer:
    case PlainType::real:
      return "a number";
    case PlainType::boolean:
      return "true or false";
    default:
      return "text";
  }
}

void wrong_kind(FileProblems& problems, const Node& node, const std::string& where, std::string_view wanted) {
  problems.add(node.at, fmt::format("{}: must be {}, is {}", where, wanted, kind_name(node)));
}

bool is_plain(const Node& node) { return node.kind == Kind::scalar && node.style == Style::plain; }

bool is_ambiguous(const Node& node) {
  return is_plain(node) && plain_type(node.text) == PlainType::ambiguous;
}

bool is_text(const Node& node) {
  return node.kind == Kind::scalar &&
         (node.style == Style::quoted || plain_type(node.text) == PlainType::text);
}

/// For everything below a key that is absent.
const Node& nothing() {
  static const Node node;
  return node;
}

}  // namespace

std::optional<std::string> read_text(FileProblems& problems, const Node& node, const std::string& where) {
  constexpr TextRule kAnyText = {"text",
                                 [](std::string_view text) { return std::optional(std::string(text)); }};
  return read_text(problems, node, where, kAnyText);
}

std::optional<std::string> read_text(FileProblems& problems, const Node& node, const std::string& where,
                                     const TextRule& rule) {
  if (is_ambiguous(node)) return std::nullopt;  // noted by read()
  std::optional<std::string> canonical = node.kind == Kind::scalar ? rule.canonical(node.text) : std::nullopt;
  if (!is_text(node)) {
    problems.add(node.at, fmt::format("{}: must be {}, is {}", where, rule.must_be, kind_name(node)),
                 canonical ? "put the value into double quotes" : "");
    return std::nullopt;
  }
  if (!canonical)
    problems.add(node.at, fmt::format("{}: must be {}, is {}", where, rule.must_be, shown(node.text)));
  return canonical;
}

std::optional<std::int64_t> read_integer(FileProblems& problems, const Node& node, const std::string& where,
                                         std::int64_t least, std::int64_t most) {
  if (is_ambiguous(node)) return std::nullopt;  // noted by read()
  if (!is_plain(node) || plain_type(node.text) != PlainType::integer) {
    wrong_kind(problems, node, where, "a number");
    return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
  if (error != std::errc() || value < least || value > most) {
    problems.add(node.at, fmt::format("{}: must be {} to {}, is {}", where, least, most, shown(node.text)));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> read_boolean(FileProblems& problems, const Node& node, const std::string& where) {
  if (is_ambiguous(node)) return std::nullopt;  // noted by read()
  if (is_plain(node) && plain_type(node.text) == PlainType::boolean) return node.text == "true";
  wrong_kind(problems, node, where, "true or false");
  return std::nullopt;
}

const std::vector<Node>& read_list(FileProblems& problems, const Node& node, const std::string& where) {
  if (node.kind != Kind::list) wrong_kind(problems, node, where, "a list");
  return node.items;
}

std::vector<std::string> read_texts(FileProblems& problems, const Node& node, const std::string& where,
                                    const TextRule& rule) {
  std::vector<std::string> texts;
  int number = 0;
  for (const Node& item : read_list(problems, node, where)) {
    const std::string name = fmt::format("{} {}", where, ++number);
    std::optional<std::string> text = read_text(problems, item, name, rule);
    if (!text) continue;
    if (std::find(texts.begin(), texts.end(), *text) != texts.end())
      problems.add(item.at, fmt::format("{}: {} is there twice", name, shown(*text)));
    else
      texts.push_back(*std::move(text));
  }
  return texts;
}

const std::vector<Entry>& read_entries(FileProblems& problems, const Node& node, const std::string& where) {
  if (node.kind != Kind::map) wrong_kind(problems, node, where, "a map");
  return node.entries;
}

Fields::Fields(FileProblems& problems, const Node& node, std::string title, std::span<const Key> keys,
               std::string prefix)
    : problems_(problems), node_(node), prefix_(std::move(prefix)) {
  const std::vector<std::string> names = key_names(keys);
  if (node.kind != Kind::map) {
    wrong_kind(problems, node, title, fmt::format("a map with {}", listed(names)));
    return;
  }
  for (const Entry& entry : node.entries) {
    if (std::find(names.begin(), names.end(), entry.key) != names.end()) continue;
    problems.add(entry.at, fmt::format("unknown key {} in {}{}", shown(entry.key), title,
                                       did_you_mean(entry.key, names)));
  }
  for (const Key& key : keys)
    if (key.need == Need::required && yaml::find(node, key.name) == nullptr)
      problems.add(node.at, fmt::format("key '{}' is missing in {}", key.name, title));
}

const Node* Fields::find(std::string_view key) const { return yaml::find(node_, key); }

std::optional<std::string> Fields::text(std::string_view key) const {
  const Node* node = find(key);
  return node == nullptr ? std::nullopt : read_text(problems_, *node, where(key));
}

std::optional<std::string> Fields::text(std::string_view key, const TextRule& rule) const {
  const Node* node = find(key);
  return node == nullptr ? std::nullopt : read_text(problems_, *node, where(key), rule);
}

std::optional<std::int64_t> Fields::integer(std::string_view key, std::int64_t least,
                                            std::int64_t most) const {
  const Node* node = find(key);
  return node == nullptr ? std::nullopt : read_integer(problems_, *node, where(key), least, most);
}

std::optional<bool> Fields::boolean(std::string_view key) const {
  const Node* node = find(key);
  return node == nullptr ? std::nullopt : read_boolean(problems_, *node, where(key));
}

const std::vector<Node>& Fields::list(std::string_view key) const {
  const Node* node = find(key);
  return node == nullptr ? nothing().items : read_list(problems_, *node, where(key));
}

std::vector<std::string> Fields::texts(std::string_view key, const TextRule& rule) const {
  const Node* node = find(key);
  return node == nullptr ? std::vector<std::string>() : read_texts(problems_, *node, where(key), rule);
}

void Fields::problem(std::string_view key, const std::string& message, std::string hint) const {
  const Node* node = find(key);
  problems_.add(node == nullptr ? node_.at : node->at, fmt::format("{}: {}", where(key), message),
                std::move(hint));
}

std::vector<std::string> key_names(std::span<const Key> keys) {
  std::vector<std::string> names;
  for (const Key& key : keys) names.emplace_back(key.name);
  return names;
}

}  // namespace imgbuild::yaml
