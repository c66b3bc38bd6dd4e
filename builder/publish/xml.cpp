#include "publish/xml.h"

#include <algorithm>
#include <charconv>

#include "util/error.h"

namespace imgbuild {
namespace {

constexpr int kMostDepth = 64;
constexpr std::string_view kBlank = " \t\r\n";

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  XmlNode document() {
    skip_blank();
    if (rest().starts_with("<?")) skip_past("?>");
    skip_blank();
    XmlNode root = element(0);
    skip_blank();
    if (at_ != text_.size()) refuse("holds something behind its end");
    return root;
  }

 private:
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }

  [[noreturn]] void refuse(std::string_view why) const {
    throw Error(ExitCode::network, "the answer {} (XML, byte {})", why, at_);
  }

  void skip_blank() { at_ = std::min(text_.find_first_not_of(kBlank, at_), text_.size()); }

  void skip_past(std::string_view mark) {
    const std::size_t found = text_.find(mark, at_);
    if (found == std::string_view::npos) refuse("ends early");
    at_ = found + mark.size();
  }

  /// Behind "<": the name, without prefix. Attributes are passed over; quotes may hold a '>'.
  std::string start_tag(bool& is_empty) {
    const std::size_t end = text_.find_first_of(" \t\r\n/>", at_);
    if (end == std::string_view::npos || end == at_) refuse("has a tag without a name");
    std::string_view name = text_.substr(at_, end - at_);
    name.remove_prefix(name.find(':') == std::string_view::npos ? 0 : name.find(':') + 1);
    char quote = 0;
    for (at_ = end; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quote == 0 && c == '>') break;
      if (quote == 0 && (c == '"' || c == '\'')) {
        quote = c;
      } else if (c == quote) {
        quote = 0;
      }
    }
    if (at_ == text_.size()) refuse("ends early");
    is_empty = text_[at_ - 1] == '/';
    ++at_;
    return std::string(name);
  }

  XmlNode element(int depth) {
    if (depth > kMostDepth) refuse("is nested too deep");
    if (!rest().starts_with("<") || rest().starts_with("<!")) refuse("is no plain XML");
    ++at_;
    XmlNode node;
    bool is_empty = false;
    node.name = start_tag(is_empty);
    if (!is_empty) content(node, depth);
    return node;
  }

  void content(XmlNode& node, int depth) {
    for (;;) {
      const std::size_t tag = text_.find('<', at_);
      if (tag == std::string_view::npos) refuse("ends early");
      node.text += unescaped(text_.substr(at_, tag - at_));
      at_ = tag;
      if (rest().starts_with("</")) break;
      node.children.push_back(element(depth + 1));
    }
    at_ += 2;
    const std::size_t end = text_.find('>', at_);
    std::string_view name = text_.substr(at_, end == std::string_view::npos ? end : end - at_);
    name.remove_prefix(name.find(':') == std::string_view::npos ? 0 : name.find(':') + 1);
    if (end == std::string_view::npos || name.substr(0, name.find_last_not_of(kBlank) + 1) != node.name) refuse("closes another tag than it opened");
    at_ = end + 1;
    if (!node.children.empty()) node.text.clear();
  }

  std::string unescaped(std::string_view raw) const {
    std::string plain;
    while (!raw.empty()) {
      const std::size_t mark = std::min(raw.find('&'), raw.size());
      plain += raw.substr(0, mark);
      raw.remove_prefix(mark);
      if (raw.empty()) break;
      const std::size_t end = raw.find(';');
      if (end == std::string_view::npos) refuse("has an open entity");
      plain += entity(raw.substr(1, end - 1));
      raw.remove_prefix(end + 1);
    }
    return plain;
  }

  std::string entity(std::string_view name) const {
    if (name == "lt") return "<";
    if (name == "gt") return ">";
    if (name == "amp") return "&";
    if (name == "quot") return "\"";
    if (name == "apos") return "'";
    const bool is_hex = name.starts_with("#x");
    if (!name.starts_with("#")) refuse("has an unknown entity");
    name.remove_prefix(is_hex ? 2 : 1);
    unsigned code = 0;
    const auto [next, error] = std::from_chars(name.data(), name.data() + name.size(), code, is_hex ? 16 : 10);
    if (error != std::errc() || next != name.data() + name.size()) refuse("has an unknown entity");
    return code < 0x80 ? std::string(1, static_cast<char>(code)) : "?";  // names and texts for people
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const XmlNode* XmlNode::find(std::string_view path) const {
  const std::size_t slash = path.find('/');
  const std::string_view first = path.substr(0, slash);
  for (const XmlNode& child : children) {
    if (child.name != first) continue;
    return slash == std::string_view::npos ? &child : child.find(path.substr(slash + 1));
  }
  return nullptr;
}

std::string XmlNode::text_of(std::string_view path) const {
  const XmlNode* node = find(path);
  return node == nullptr ? "" : node->text;
}

std::vector<const XmlNode*> XmlNode::items(std::string_view path) const {
  std::vector<const XmlNode*> found;
  const XmlNode* list = find(path);
  if (list == nullptr) return found;
  for (const XmlNode& child : list->children) {
    if (child.name == "item") found.push_back(&child);
  }
  return found;
}

XmlNode parse_xml(std::string_view text) { return Reader(text).document(); }

std::string xml_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '&': escaped += "&amp;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

}  // namespace imgbuild
