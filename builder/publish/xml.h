#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace imgbuild {

/// An element: name without prefix, its text, and the elements in it. Attributes are not kept: AWS's answers need none.
struct XmlNode {
  std::string name;
  std::string text;
  std::vector<XmlNode> children;

  /// The first element at a path of names, "Errors/Error", or nullptr.
  [[nodiscard]] const XmlNode* find(std::string_view path) const;
  /// Its text, empty if it is not there.
  [[nodiscard]] std::string text_of(std::string_view path) const;
  /// The elements "item" of a list, in order; none if the list is not there.
  [[nodiscard]] std::vector<const XmlNode*> items(std::string_view path) const;
};

/// Reads what AWS answers: elements, text, the five entities and character references. Anything else that XML has (DTDs,
/// CDATA) and a depth above 64 is an Error (network) that begins with "the answer".
[[nodiscard]] XmlNode parse_xml(std::string_view text);

/// 'text' fit to stand between tags.
[[nodiscard]] std::string xml_text(std::string_view text);

}  // namespace imgbuild
