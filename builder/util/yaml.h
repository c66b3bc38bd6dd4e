#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/problems.h"
#include "util/size.h"

/// YAML without its surprises: read strictly with positions, written so that every reader takes it the same
/// way.
namespace imgbuild::yaml {

enum class Kind { null, scalar, list, map };

/// How a scalar was written: bare, or in quotes or as a block ("|", ">"), which makes it text whatever it
/// looks like.
enum class Style { plain, quoted };

struct Entry;

/// A value of a document.
struct Node {
  Kind kind = Kind::null;
  Style style = Style::plain;  ///< of a scalar
  std::string text;            ///< of a scalar
  std::vector<Node> items;     ///< of a list
  std::vector<Entry> entries;  ///< of a map, in the order written; keys are unique
  Position at;                 ///< where it begins; of a null, its key
};

/// An entry of a map.
struct Entry {
  std::string key;
  Node value;
  Position at = {};  ///< of the key
};

/// What a bare scalar is to readers of YAML 1.1 (PyYAML, cloud-init) and 1.2.
enum class PlainType {
  text,
  integer,    ///< decimal without sign but '-', without leading zeros
  real,       ///< with decimal point, without exponent
  boolean,    ///< true, false
  null,       ///< null, ~, nothing
  ambiguous,  ///< readers differ: yes, 0777, 1:30, 1_000, 2024-01-01, 1e5, =, <<
};
[[nodiscard]] PlainType plain_type(std::string_view text);

struct Limits {
  ByteSize size = 1_MiB;
  int depth = 32;
  enum class Ambiguous { refuse, accept } ambiguous = Ambiguous::refuse;  ///< accept: files of others only
};

/// The document in 'text' (UTF-8, one document, not empty). Problems are: size, depth, bytes that are no
/// UTF-8, byte order marks, control characters and other invisible ones, bad YAML, anchors, aliases, tags,
/// directives, merge keys, repeated keys, keys that are no text, further documents, bare scalars that readers
/// take differently. No message holds a value. Returns the tree, for finding further problems, if the text
/// could be read to its end.
[[nodiscard]] std::optional<Node> read(std::string_view text, const std::string& file, Problems& problems,
                                       const Limits& limits = {});

/// The same. Throws Error (bad input) with all problems.
[[nodiscard]] Node read_or_throw(std::string_view text, const std::string& file, const Limits& limits = {});

// Building: map({{"name", string("ops")}, {"sudo", strings({"a", "b"})}, {"lock", boolean(true)}, {"size",
// number(3)}})
[[nodiscard]] Node string(std::string text);
[[nodiscard]] Node number(std::int64_t value);
[[nodiscard]] Node boolean(bool value);
[[nodiscard]] Node list(std::vector<Node> items);
[[nodiscard]] Node strings(const std::vector<std::string>& texts);
[[nodiscard]] Node map(std::vector<Entry> entries);

/// The value of a key, or nullptr; nullptr for a node that is no map.
[[nodiscard]] const Node* find(const Node& map, std::string_view key);
/// Replaces the key's value, or appends the entry.
void set(Node& map, std::string key, Node value);

/// The text of 'root' in block style, ASCII only, deterministic: every scalar in double quotes but true,
/// false and decimal integers that are Style::plain. Keys are bare where every reader takes them as text. A
/// reader of YAML 1.1 or 1.2 gets back exactly the same. Throws Error (bad input) naming the place, not the
/// value, if a text is no UTF-8 or holds a control character other than tab, newline and carriage return (use
/// base64 for bytes), a key is there twice or longer than 1000 bytes.
[[nodiscard]] std::string emit(const Node& root);

}  // namespace imgbuild::yaml
