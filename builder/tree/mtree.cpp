#include "tree/mtree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "util/error.h"
#include "util/problems.h"

namespace imgbuild {
namespace {

constexpr std::string_view kHeading = "#mtree";

struct TypeName {
  char letter;
  std::string_view name;
};
constexpr std::array<TypeName, 7> kTypes = {{{'f', "file"}, {'d', "dir"}, {'l', "link"}, {'c', "char"}, {'b', "block"}, {'p', "fifo"}, {'s', "socket"}}};

bool is_plain(char c) { return c > ' ' && c <= '~' && std::string_view("\\#*?[=").find(c) == std::string_view::npos; }

std::string line_of(const TreeRecord& record) {
  const auto type = std::ranges::find(kTypes, record.type, &TypeName::letter);
  std::string line = fmt::format("{} type={} mode={:04o} uid={} gid={}", record.path == "/" ? "." : "." + escape(record.path), type->name,
                                 record.mode, record.uid, record.gid);
  if (record.type == 'f') line += fmt::format(" size={}", record.size);
  line += fmt::format(" time={}.0", record.mtime);
  if (record.type == 'f') line += " sha256digest=" + record.content;
  if (record.type == 'l') line += " link=" + escape(record.content);
  std::string_view attributes = record.attributes;
  while (!attributes.empty()) {
    const std::size_t end = std::min(attributes.find(' '), attributes.size());
    line += fmt::format(" xattr.{}", attributes.substr(0, end));
    attributes.remove_prefix(std::min(end + 1, attributes.size()));
  }
  return line + "\n";
}

/// A list being read; knows the line for messages.
class Reader {
 public:
  explicit Reader(const std::string& origin) : origin_(origin) {}

  TreeRecord read(std::string_view line, std::size_t number) {
    number_ = number;
    TreeRecord record = {};
    record.path = path_of(next(line));
    while (!line.empty()) set(record, next(line));
    return record;
  }

 private:
  [[noreturn]] void refuse(std::string_view why, std::string_view value) const {
    throw Error(ExitCode::bad_input, "{}:{}: {} {}", origin_, number_, why, shown(value));
  }

  static std::string_view next(std::string_view& line) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
  }

  std::string path_of(std::string_view word) const {
    if (word == ".") return "/";
    if (!word.starts_with("./")) refuse("a path must begin with './', is", word);
    return unescape(word.substr(1));
  }

  void set(TreeRecord& record, std::string_view word) const {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) refuse("is no 'key=value':", word);
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    if (key == "type") record.type = type_of(value);
    else if (key == "mode") record.mode = number<unsigned>(value, 8);
    else if (key == "uid") record.uid = number<std::uint32_t>(value, 10);
    else if (key == "gid") record.gid = number<std::uint32_t>(value, 10);
    else if (key == "size") record.size = number<std::uint64_t>(value, 10);
    else if (key == "time" && value.ends_with(".0")) record.mtime = number<std::int64_t>(value.substr(0, value.size() - 2), 10);
    else if (key == "sha256digest") record.content = value;
    else if (key == "link") record.content = unescape(value);
    else if (key.starts_with("xattr.")) record.attributes += fmt::format("{}{}", record.attributes.empty() ? "" : " ", word.substr(6));
    else refuse("unknown key in", word);
  }

  char type_of(std::string_view name) const {
    const auto type = std::ranges::find(kTypes, name, &TypeName::name);
    if (type == kTypes.end()) refuse("unknown type", name);
    return type->letter;
  }

  template <typename Number>
  Number number(std::string_view text, int base) const {
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) refuse("is no number:", text);
    return value;
  }

  std::string unescape(std::string_view text) const {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        bytes += text[i];
        continue;
      }
      if (i + 3 >= text.size()) refuse("an escape is cut off in", text);
      bytes += static_cast<char>(number<unsigned>(text.substr(i + 1, 3), 8));
      i += 3;
    }
    return bytes;
  }

  const std::string& origin_;
  std::size_t number_ = 0;
};

}  // namespace

std::string escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (is_plain(c)) {
      escaped += c;
    } else {
      escaped += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

std::string to_mtree(const std::vector<TreeRecord>& records) {
  std::string text = std::string(kHeading) + "\n";
  for (const TreeRecord& record : records) text += line_of(record);
  return text;
}

std::vector<TreeRecord> parse_mtree(std::string_view text, const std::string& origin) {
  Reader reader(origin);
  std::vector<TreeRecord> records;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) throw Error(ExitCode::bad_input, "{}:{}: is cut off", origin, number + 1);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (++number > 1) {
      records.push_back(reader.read(line, number));
    } else if (line != kHeading) {
      throw Error(ExitCode::bad_input, "{}:1: must be '{}', is {}", origin, kHeading, shown(line));
    }
  }
  return records;
}

}  // namespace imgbuild
