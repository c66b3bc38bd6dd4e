#include "util/yaml.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "util/error.h"
#include "util/yaml_source.h"
#include "util/yaml_text.h"

namespace imgbuild::yaml {
namespace {

/// Ends parsing after a problem that makes the rest meaningless.
struct Stop {};

constexpr std::string_view kQuoteHint = "put the value into double quotes, or write true or false";

Spot spot(const YAML::Mark& mark) { return {.line = mark.line, .column = mark.column}; }

/// Makes the tree from yaml-cpp's events; a walk over its own nodes would lose repeated keys and follow
/// aliases.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Source& source, FileProblems& problems, const Limits& limits)
      : source_(source), problems_(problems), limits_(limits) {}

  std::optional<Node> root;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      problems_.add(source_.position(spot(mark)), "a second document begins here, a file holds one",
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
    place({.kind = Kind::null, .at = source_.position(spot(mark))});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problems_.add(source_.position(spot(mark)), "aliases are not allowed");
    place({.kind = Kind::null, .at = source_.position(spot(mark))});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    const Style style = tag == "!" ? Style::quoted : Style::plain;
    note_end(mark, value);
    check_scalar(mark, style, value);
    place({.kind = Kind::scalar, .style = style, .text = value, .at = source_.position(spot(mark))});
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
    const Position at = source_.position(spot(mark));
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

  /// Remembers what follows the scalar. yaml-cpp 0.7 takes the end of the text for a closing quote.
  void note_end(const YAML::Mark& mark, const std::string& value) {
    const std::string_view source = source_.from(spot(mark));
    const bool quoted = source.starts_with('"') || source.starts_with('\'');
    const std::optional<std::size_t> length = quoted ? quoted_length(source) : value.size();
    if (!length) {
      problems_.add(source_.position(spot(mark)), "the quote that begins here is never closed");
      throw Stop{};
    }
    behind_scalar_ = source.substr(std::min(*length, source.size()));
  }

  /// yaml-cpp 0.7 takes a word at the end of the text for a key without value.
  [[nodiscard]] bool has_colon() const {
    const std::size_t next = behind_scalar_.find_first_not_of(" \t");
    return next != std::string_view::npos && behind_scalar_[next] == ':';
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
      if (value.kind == Kind::null && !has_colon())
        problems_.add(value.at, "a ':' is missing after " + shown(frame.pending.key));
      frame.pending.value = std::move(value);
      frame.node.entries.push_back(std::move(frame.pending));
    }
    frame.key = Key::awaited;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) problems_.add(source_.position(spot(mark)), "anchors are not allowed");
  }

  /// yaml-cpp gives "?" for bare, "!" for quoted scalars; an explicit "!" gives "!" too.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    const bool explicit_tag = !tag.empty() && tag != "?" && tag != "!";
    if (explicit_tag || source_.character(spot(mark)) == '!')
      problems_.add(source_.position(spot(mark)), "tags are not allowed");
  }

  void check_scalar(const YAML::Mark& mark, Style style, const std::string& value) {
    const Position at = source_.position(spot(mark));
    if (holds_control_character(value)) problems_.add(at, "the text holds a control character");
    if (style == Style::plain && value.find('\t') != std::string::npos)
      problems_.add(at, "text that holds a tab must be in double quotes");
    const bool differs = style == Style::plain && plain_type(value) == PlainType::ambiguous;
    if (differs && limits_.ambiguous == Limits::Ambiguous::refuse)
      problems_.add(at, "without quotes this value is read differently by different programs",
                    std::string(kQuoteHint));
  }

  const Source& source_;
  FileProblems& problems_;
  const Limits& limits_;
  std::vector<Frame> frames_;
  std::string_view behind_scalar_;  ///< the text after the last one
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
    problems.add(source.position(spot(error.mark)), "nested too deeply");
  } catch (const YAML::Exception& error) {
    problems.add(source.position(spot(error.mark)), in_our_words(error.msg));
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
