#include "util/yaml.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "util/error.h"
#include "util/utf8.h"
#include "util/yaml_text.h"

namespace imgbuild::yaml {
namespace {

/// Ends parsing after a problem that makes the rest meaningless.
struct Stop {};

constexpr std::string_view kQuoteHint = "put the value into double quotes, or write true or false";

/// Knows the places of a text: yaml-cpp counts bytes, people count characters.
class Source {
 public:
  explicit Source(std::string_view text) : text_(text), line_starts_{0} {
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') line_starts_.push_back(i + 1);
  }

  [[nodiscard]] std::size_t offset(const YAML::Mark& mark) const {
    const auto line = static_cast<std::size_t>(std::max(mark.line, 0));
    if (line >= line_starts_.size()) return text_.size();
    return std::min(text_.size(), line_starts_[line] + static_cast<std::size_t>(std::max(mark.column, 0)));
  }

  [[nodiscard]] Position position(const YAML::Mark& mark) const {
    const auto line = std::min(static_cast<std::size_t>(std::max(mark.line, 0)), line_starts_.size() - 1);
    Position position{.line = static_cast<int>(line) + 1, .column = 1};
    const std::size_t end = offset(mark);
    for (std::size_t i = line_starts_[line]; i < end; ++i)
      if ((static_cast<unsigned char>(text_[i]) & 0xC0U) != 0x80U) ++position.column;
    return position;
  }

  [[nodiscard]] char character(const YAML::Mark& mark) const {
    const std::size_t at = offset(mark);
    return at < text_.size() ? text_[at] : '\0';
  }

  [[nodiscard]] std::string_view from(const YAML::Mark& mark) const { return text_.substr(offset(mark)); }

  [[nodiscard]] std::string_view line(int number) const {
    const std::size_t start = line_starts_[static_cast<std::size_t>(number)];
    return text_.substr(start, text_.find('\n', start) - start);
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> line_starts_;
};

/// yaml-cpp 0.7 takes the end of the text for the closing quote.
bool is_closed(std::string_view quoted) {
  const char quote = quoted.front();
  for (std::size_t i = 1; i < quoted.size(); ++i) {
    const bool doubled = quote == '\'' && quoted.substr(i, 2) == "''";
    const bool escaped = quote == '"' && quoted[i] == '\\';
    if (doubled || escaped)
      ++i;
    else if (quoted[i] == quote)
      return true;
  }
  return false;
}

/// Makes the tree from yaml-cpp's events; a walk over its own nodes would lose repeated keys and follow
/// aliases.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Source& source, FileProblems& problems, const Limits& limits)
      : source_(source), problems_(problems), limits_(limits) {}

  std::optional<Node> root;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      problems_.add(source_.position(mark), "a second document begins here, a file holds one",
                    "check the indentation of this line");
      throw Stop{};
    }
    for (int line = 0; line < mark.line; ++line)
      if (source_.line(line).starts_with('%'))
        problems_.add({.line = line + 1, .column = 1}, "directives are not allowed");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    place({.kind = Kind::null, .at = source_.position(mark)});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problems_.add(source_.position(mark), "aliases are not allowed");
    place({.kind = Kind::null, .at = source_.position(mark)});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    const char first = source_.character(mark);
    if ((first == '"' || first == '\'') && !is_closed(source_.from(mark))) {
      problems_.add(source_.position(mark), "the quote that begins here is never closed");
      throw Stop{};
    }
    const Style style = tag == "!" ? Style::quoted : Style::plain;
    check_scalar(mark, style, value);
    place({.kind = Kind::scalar, .style = style, .text = value, .at = source_.position(mark)});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Kind::list);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  enum class Key { awaited, good, bad };
  struct Frame {
    Node node;
    Key key = Key::awaited;
    Entry pending = {};
    std::set<std::string, std::less<>> keys = {};
  };

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    const Position at = source_.position(mark);
    if (static_cast<int>(frames_.size()) >= limits_.depth) {
      problems_.add(at, fmt::format("nested deeper than {} levels", limits_.depth));
      throw Stop{};
    }
    frames_.push_back({.node = {.kind = kind, .at = at}});
  }

  void close() {
    Node done = std::move(frames_.back().node);
    frames_.pop_back();
    place(std::move(done));
  }

  void place(Node node) {
    if (frames_.empty()) {
      root = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.kind == Kind::list)
      frame.node.items.push_back(std::move(node));
    else if (frame.key == Key::awaited)
      take_key(frame, node);
    else
      take_value(frame, std::move(node));
  }

  void take_key(Frame& frame, const Node& key) {
    frame.key = Key::bad;
    if (key.kind != Kind::scalar) {
      problems_.add(key.at, "a key must be text");
      return;
    }
    if (!frame.keys.insert(key.text).second) {
      problems_.add(key.at, "repeated key " + shown(key.text));
      return;
    }
    frame.key = Key::good;
    frame.pending = {.key = key.text, .value = {}, .at = key.at};
  }

  void take_value(Frame& frame, Node value) {
    if (frame.key == Key::good) {
      if (value.kind == Kind::null) value.at = frame.pending.at;
      frame.pending.value = std::move(value);
      frame.node.entries.push_back(std::move(frame.pending));
    }
    frame.key = Key::awaited;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) problems_.add(source_.position(mark), "anchors are not allowed");
  }

  /// yaml-cpp gives "?" for bare, "!" for quoted scalars; an explicit "!" gives "!" too.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    const bool explicit_tag = !tag.empty() && tag != "?" && tag != "!";
    if (explicit_tag || source_.character(mark) == '!')
      problems_.add(source_.position(mark), "tags are not allowed");
  }

  void check_scalar(const YAML::Mark& mark, Style style, const std::string& value) {
    const Position at = source_.position(mark);
    if (holds_control_character(value)) problems_.add(at, "the text holds a control character");
    const bool differs = style == Style::plain && plain_type(value) == PlainType::ambiguous;
    if (differs && limits_.ambiguous == Limits::Ambiguous::refuse)
      problems_.add(at, "without quotes this value is read differently by different programs",
                    std::string(kQuoteHint));
  }

  const Source& source_;
  FileProblems& problems_;
  const Limits& limits_;
  std::vector<Frame> frames_;
  int documents_ = 0;
};

struct Wording {
  std::string_view theirs;
  std::string_view ours;
};

/// What people understand of yaml-cpp's messages.
constexpr Wording kWordings[] = {
    {"illegal map value",
     "a ':' is not expected here, check the indentation or put the text into double quotes"},
    {"illegal block entry", "a list item '-' is not expected here"},
    {"illegal flow end", "nothing was opened that could be closed here"},
    {"illegal tab when looking for indentation", "tab in the indentation, use spaces"},
    {"end of sequence flow not found",
     "a list opened with '[' does not go on like this, is a ',' or ']' missing?"},
    {"end of map flow not found", "a map opened with '{' does not go on like this, is a ',' or '}' missing?"},
    {"end of map not found", "does not belong to the map before it, check the indentation and quotes"},
    {"end of sequence not found", "does not belong to the list before it, check the indentation and quotes"},
    {"the referenced anchor is not defined", "aliases are not allowed"},
    {"unknown token", "text that begins with this character must be in double quotes"},
};

std::string in_our_words(const std::string& message) {
  for (const Wording& wording : kWordings)
    if (message == wording.theirs) return std::string(wording.ours);
  return message;
}

/// False if the text could not be read to its end.
bool parse(const std::string& text, const Source& source, FileProblems& problems, TreeBuilder& builder) {
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return true;
  } catch (const Stop&) {  // the problem is noted
  } catch (const YAML::DeepRecursion& error) {
    problems.add(source.position(error.mark), "nested too deeply");
  } catch (const YAML::Exception& error) {
    problems.add(source.position(error.mark), in_our_words(error.msg));
  }
  return false;
}

}  // namespace

std::optional<Node> read(std::string_view text, const std::string& file, Problems& problems,
                         const Limits& limits) {
  FileProblems found(file, problems);
  if (!check_text(text, limits.size, found)) return std::nullopt;
  const Source source(text);
  TreeBuilder builder(source, found, limits);
  const std::size_t before = problems.size();
  if (!parse(std::string(text), source, found, builder)) return std::nullopt;
  const bool empty = !builder.root || builder.root->kind == Kind::null;
  if (empty && problems.size() == before) found.add({}, "the file is empty");
  if (empty) return std::nullopt;
  return std::move(builder.root);
}

Node read_or_throw(std::string_view text, const std::string& file, const Limits& limits) {
  Problems problems;
  std::optional<Node> node = read(text, file, problems, limits);
  problems.throw_if_any();
  return std::move(node).value();
}

}  // namespace imgbuild::yaml
