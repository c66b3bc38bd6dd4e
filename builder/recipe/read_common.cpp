#include "recipe/read_common.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "recipe/recipe.h"
#include "recipe/text_rules.h"
#include "util/io.h"
#include "util/suggest.h"
#include "util/yaml.h"

namespace imgbuild {

namespace fs = std::filesystem;

std::optional<yaml::Node> read_document(const fs::path& file, FileProblems& problems) {
  const std::string text = io::read_file(file, yaml::Limits{}.size);
  return yaml::read(text, problems.file(), problems.all());
}

std::optional<ByteSize> read_size(const yaml::Fields& fields, std::string_view key, ByteSize least,
                                  ByteSize most) {
  const std::optional<std::string> text = fields.text(key, rules::kSize);
  if (!text) return std::nullopt;
  ByteSize size;
  std::from_chars(text->data(), text->data() + text->size(), size.bytes);
  if (size < least || size > most) {
    fields.problem(key, fmt::format("must be {} to {}, is {}", format_byte_size(least),
                                    format_byte_size(most), format_byte_size(size)));
    return std::nullopt;
  }
  if (size.bytes % (1_MiB).bytes != 0) {
    fields.problem(key, "must be whole MiB");
    return std::nullopt;
  }
  return size;
}

std::optional<std::string> read_base(const yaml::Fields& fields, std::string_view key,
                                     const fs::path& folder) {
  const std::optional<std::string> text = fields.text(key, rules::kLine);
  if (!text) return std::nullopt;
  if (text->find('/') == std::string::npos)
    return read_choice(fields, key, {.what = "base", .known = known_bases()});
  const fs::path image = (fs::absolute(folder) / *text).lexically_normal();
  std::error_code ignored;
  if (fs::is_regular_file(image, ignored)) return image.string();
  fields.problem(key, "no disk image " + shown(*text));
  return std::nullopt;
}

std::optional<std::string> read_choice(const yaml::Fields& fields, std::string_view key,
                                       const Choice& choice) {
  const yaml::Node* node = fields.find(key);
  if (node == nullptr) return std::nullopt;
  return read_choice(fields.problems(), *node, fields.where(key), choice);
}

std::optional<std::string> read_choice(FileProblems& problems, const yaml::Node& node,
                                       const std::string& where, const Choice& choice) {
  std::optional<std::string> text = yaml::read_text(problems, node, where);
  const std::vector<std::string>& known = choice.known;
  if (!text || std::find(known.begin(), known.end(), *text) != known.end()) return text;
  problems.add(node.at, fmt::format("{}: unknown {} {}{}", where, choice.what, shown(*text),
                                    did_you_mean(*text, known)));
  return std::nullopt;
}

}  // namespace imgbuild
