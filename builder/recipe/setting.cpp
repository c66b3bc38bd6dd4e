#include "recipe/setting.h"

#include <algorithm>

#include "recipe/read_common.h"
#include "recipe/text_rules.h"

namespace imgbuild {
namespace {

using yaml::Node;
using Value = std::optional<std::string>;

constexpr std::int64_t kMostInteger = 1'000'000'000'000'000;

Value read_number(FileProblems& problems, const Node& node, const std::string& where, std::int64_t least,
                  std::int64_t most) {
  const std::optional<std::int64_t> value = yaml::read_integer(problems, node, where, least, most);
  return value ? Value(std::to_string(*value)) : std::nullopt;
}

Value read_integer(FileProblems& problems, const Node& node, const std::string& where) {
  return read_number(problems, node, where, -kMostInteger, kMostInteger);
}

Value read_port(FileProblems& problems, const Node& node, const std::string& where) {
  return read_number(problems, node, where, 1, 65535);
}

Value read_boolean(FileProblems& problems, const Node& node, const std::string& where) {
  const std::optional<bool> value = yaml::read_boolean(problems, node, where);
  return value ? Value(*value ? "true" : "false") : std::nullopt;
}

/// Printable ASCII: for it SASLprep, which PostgreSQL applies to passwords, changes nothing.
Value read_secret(FileProblems& problems, const Node& node, const std::string& where) {
  Value text = yaml::read_text(problems, node, where);
  if (!text) return std::nullopt;
  const bool printable = std::all_of(text->begin(), text->end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (printable && text->size() >= 8 && text->size() <= 256) return text;
  problems.add(node.at, where + ": must be 8 to 256 printable ASCII characters");
  return std::nullopt;
}

template <const yaml::TextRule& rule>
Value read_by_rule(FileProblems& problems, const Node& node, const std::string& where) {
  return yaml::read_text(problems, node, where, rule);
}

using Reader = Value (*)(FileProblems&, const Node&, const std::string&);

/// In the order of SettingType, as is setting_types().
constexpr Reader kReaders[] = {
    read_by_rule<rules::kLine>,
    read_integer,
    read_boolean,
    read_by_rule<rules::kDomain>,
    read_by_rule<rules::kIp>,
    read_by_rule<rules::kCidr>,
    read_port,
    read_by_rule<rules::kSize>,
    read_by_rule<rules::kDuration>,
    read_secret,
};

}  // namespace

const std::vector<SettingTypeRow>& setting_types() {
  static const std::vector<SettingTypeRow> types = {
      {SettingType::string, "string", rules::kLine.must_be},
      {SettingType::integer, "integer", "a decimal number"},
      {SettingType::boolean, "boolean", "true or false"},
      {SettingType::fqdn, "fqdn", rules::kDomain.must_be},
      {SettingType::ip, "ip", rules::kIp.must_be},
      {SettingType::cidr, "cidr", rules::kCidr.must_be},
      {SettingType::port, "port", "a number from 1 to 65535"},
      {SettingType::bytes, "bytes", rules::kSize.must_be},
      {SettingType::duration, "duration", rules::kDuration.must_be},
      {SettingType::secret, "secret", "8 to 256 printable ASCII characters"},
  };
  return types;
}

std::optional<std::string> read_setting_value(FileProblems& problems, const Node& node,
                                              const std::string& where, SettingType type) {
  return kReaders[static_cast<std::size_t>(type)](problems, node, where);
}

}  // namespace imgbuild
