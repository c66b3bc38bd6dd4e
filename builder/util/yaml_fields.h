#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "util/problems.h"
#include "util/yaml.h"

/// Typed reading of nodes. Whatever is not as wanted becomes a problem with its position, and the reader goes
/// on. 'where' names the node to people: "machine 2: private_ip".
namespace imgbuild::yaml {

enum class Need { required, optional };

/// A key that a map may have.
struct Key {
  std::string_view name;
  Need need = Need::optional;
};

/// A rule for text: gives the one canonical form of it, or nothing if it breaks the rule.
struct TextRule {
  std::string_view must_be;  ///< completes "must be …": "a host name such as prod-s1"
  std::optional<std::string> (*canonical)(std::string_view text);
};

/// Text: any quoted scalar, or a bare one that every reader takes as text.
[[nodiscard]] std::optional<std::string> read_text(FileProblems& problems, const Node& node,
                                                   const std::string& where);
/// Text that keeps the rule, in canonical form. The problem shows a wrong value: not for secrets.
[[nodiscard]] std::optional<std::string> read_text(FileProblems& problems, const Node& node,
                                                   const std::string& where, const TextRule& rule);
/// A bare decimal number, limits included.
[[nodiscard]] std::optional<std::int64_t> read_integer(FileProblems& problems, const Node& node,
                                                       const std::string& where, std::int64_t least,
                                                       std::int64_t most);
/// true or false.
[[nodiscard]] std::optional<bool> read_boolean(FileProblems& problems, const Node& node,
                                               const std::string& where);
/// The items of a list, none if it is none.
[[nodiscard]] const std::vector<Node>& read_list(FileProblems& problems, const Node& node,
                                                 const std::string& where);
/// A list of texts that keep the rule; repeated ones are problems. 'where' of an item is "WHERE N" (N from
/// 1).
[[nodiscard]] std::vector<std::string> read_texts(FileProblems& problems, const Node& node,
                                                  const std::string& where, const TextRule& rule);
/// The entries of a map with free keys, none if it is none.
[[nodiscard]] const std::vector<Entry>& read_entries(FileProblems& problems, const Node& node,
                                                     const std::string& where);

/// A map with known keys. Unknown ones (with "did you mean") and missing ones are problems.
class Fields {
 public:
  /// 'title' names the map in "unknown key 'x' in TITLE": "machine 2". 'prefix' goes before key names:
  /// "machine 2: ". All arguments but the strings must outlive this.
  Fields(FileProblems& problems, const Node& node, std::string title, std::span<const Key> keys,
         std::string prefix = {});

  /// False if the node is no map, which is noted: then it has no keys.
  [[nodiscard]] bool is_map() const { return node_.kind == Kind::map; }
  /// The value, or nullptr if the key is absent.
  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] std::string where(std::string_view key) const { return prefix_ + std::string(key); }

  [[nodiscard]] FileProblems& problems() const { return problems_; }

  /// Each reads the key's value as the function of that name; nothing if the key is absent or wrong.
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  [[nodiscard]] std::optional<std::string> text(std::string_view key, const TextRule& rule) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, std::int64_t least,
                                                    std::int64_t most) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
  [[nodiscard]] const std::vector<Node>& list(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view key, const TextRule& rule) const;

  /// Says what is wrong with a key's value, at its place: "WHERE: MESSAGE"; at the map's place if the key is
  /// absent.
  void problem(std::string_view key, const std::string& message, std::string hint = {}) const;

 private:
  FileProblems& problems_;
  const Node& node_;
  std::string prefix_;
};

/// The names of the keys, in the table's order.
[[nodiscard]] std::vector<std::string> key_names(std::span<const Key> keys);

}  // namespace imgbuild::yaml
