#include "util/yaml.h"

#include <gmock/gmock.h>

#include "util/error.h"

namespace imgbuild::yaml {
namespace {

using namespace std::string_literals;

/// All that is said about a text.
std::string complaint(const std::string& text, const Limits& limits = {}) {
  try {
    (void)read_or_throw(text, "f", limits);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

struct BadText {
  const char* name;
  std::string text;
  const char* message;
};

const BadText kBadTexts[] = {
    {"Empty", "", "f:1:1: the file is empty"},
    {"OnlyAComment", "# nothing\n", "f:1:1: the file is empty"},
    {"OnlyNull", "~\n", "f:1:1: the file is empty"},
    {"Nul", "a: \0b\n"s, "f:1:4: NUL U+0000 is not allowed"},
    {"Escape", "a: \x1b[31m\n", "f:1:4: control character U+001B is not allowed"},
    {"Delete", "a: x\x7f\n", "f:1:5: control character U+007F is not allowed"},
    {"NextLine", "a: x\u0085b: y\n", "f:1:5: control character U+0085 is not allowed"},
    {"LineSeparator", "a: x\u2028b: y\n", "f:1:5: line separator U+2028 is not allowed"},
    {"DirectionMark", "a: x\u202ey\n", "f:1:5: text direction mark U+202E is not allowed"},
    {"LoneCarriageReturn", "a: x\rb: y\n", "f:1:5: control character U+000D is not allowed"},
    {"ByteOrderMark",
     "\xEF\xBB\xBF"
     "a: b\n",
     "f:1:1: byte order mark U+FEFF is not allowed"},
    {"Utf16WithMark",
     "\xFF\xFE"
     "a\0:\0"s,
     "f:1:1: the file is UTF-16"},
    {"Utf16WithoutMark", "a\0:\0 \0b\0"s, "f:1:1: the file is UTF-16"},
    {"Latin1", "é: ok\na: Gr\xFC\xDF\n", "f:2:6: byte 0xfc is no UTF-8"},
    {"OverlongSlash", "a: \xC0\xAF\n", "f:1:4: byte 0xc0 is no UTF-8"},
    {"Surrogate", "a: \xED\xA0\x80\n", "f:1:4: byte 0xed is no UTF-8"},
    {"CutOffCharacter", "a: \xC3", "f:1:4: byte 0xc3 is no UTF-8"},
    {"EscapedNul", "a: \"x\\0\"\n", "f:1:4: the text holds a control character"},
    {"EscapedDelete", "a: \"x\\x7F\"\n", "f:1:4: the text holds a control character"},
    {"Anchor", "a: &x 1\n", "f:1:4: anchors are not allowed"},
    {"AnchorOnList", "a: &x [1]\n", "f:1:4: anchors are not allowed"},
    {"AnchorOnNull", "a: &x\nb: 1\n", "f:1:4: anchors are not allowed"},
    {"Alias", "a: &x 1\nb: *x\n", "f:1:4: anchors are not allowed\nf:2:4: aliases are not allowed"},
    {"AliasOfNothing", "a: *x\n", "f:1:4: aliases are not allowed"},
    {"AliasOfItself", "a: &x [*x]\n", "f:1:4: anchors are not allowed\nf:1:8: aliases are not allowed"},
    {"Tag", "a: !!str 1\n", "f:1:4: tags are not allowed"},
    {"TagOfPython", "a: !!python/object/apply:os.system [id]\n", "f:1:4: tags are not allowed"},
    {"TagWithoutName", "a: ! 1\n", "f:1:4: tags are not allowed"},
    {"TagOnMap", "a: !x {b: c}\n", "f:1:4: tags are not allowed"},
    {"Directive", "%YAML 1.1\n---\na: b\n", "f:1:1: directives are not allowed"},
    {"TagDirective", "%TAG ! tag:x,2000:\n---\na: b\n", "f:1:1: directives are not allowed"},
    {"MergeKey", "a:\n  <<: {b: c}\n",
     "f:2:3: without quotes this value is read differently by different programs"},
    {"RepeatedKey", "a: 1\nb: 2\na: 3\n", "f:3:1: repeated key 'a'"},
    {"RepeatedKeyOtherwiseQuoted", "a: 1\n\"a\": 3\n", "f:2:1: repeated key 'a'"},
    {"RepeatedKeyInside", "a: [{b: 1, c: 2, b: 3}]\n", "f:1:18: repeated key 'b'"},
    {"ListAsKey", "? [a]\n: b\n", "f:1:3: a key must be text"},
    {"NullAsKey", ": b\n", "f:1:1: a key must be text"},
    {"SecondDocument", "a: b\n---\nc: d\n", "f:2:1: a second document begins here, a file holds one"},
    {"EmptySecondDocument", "a: b\n---\n", "f:2:1: a second document begins here, a file holds one"},
    {"LostIndentation", " a: b\nc: d\n", "f:2:1: a second document begins here, a file holds one"},
    {"OpenDoubleQuote", "a: \"x\nb: y\n", "f:1:4: the quote that begins here is never closed"},
    {"OpenSingleQuote", "a: 'x''\n", "f:1:4: the quote that begins here is never closed"},
    {"OpenQuoteAfterEscape", "a: \"x\\\"\n", "f:1:4: the quote that begins here is never closed"},
    {"OpenList", "a: [\"b\", \"c\"\n",
     "f:2:1: a list opened with '[' does not go on like this, is a ',' or ']' missing?"},
    {"OpenMap", "a: {b: \"c\"\n",
     "f:2:1: a map opened with '{' does not go on like this, is a ',' or '}' missing?"},
    {"ClosedTwice", "a: [b]]\n", "f:1:7: nothing was opened that could be closed here"},
    {"TabIndents", "a: b\n\tc: d\n", "f:2:1: tab in the indentation, use spaces"},
    {"ColonTwice", "a: b: c\n",
     "f:1:5: a ':' is not expected here, check the indentation or put the text into double quotes"},
    {"TextAfterQuote", "a: \"b\" c\n",
     "f:1:8: does not belong to the map before it, check the indentation and quotes"},
    {"ItemInMap", "a: b\n- c\n",
     "f:2:1: does not belong to the map before it, check the indentation and quotes"},
    {"KeyWithoutColon", "a: b\nc", "f:2:1: a ':' is missing after 'c'"},
    {"QuotedKeyWithoutColon", "a: b\n\"c\"\n",
     "f:2:1: does not belong to the map before it, check the indentation and quotes"},
    {"KeyWithoutColonInBraces", "a: {b: c, d}\n", "f:1:11: a ':' is missing after 'd'"},
    {"BareTab", "a: b\tc\n", "f:1:4: text that holds a tab must be in double quotes"},
    {"At", "a: @b\n", "f:1:4: text that begins with this character must be in double quotes"},
    {"UnknownEscape", "a: \"\\q\"\n", "f:1:7: unknown escape character: q"},
    {"BareYes", "a: yes\n", "f:1:4: without quotes this value is read differently by different programs"},
    {"BareOctal", "é: [0777]\n",
     "f:1:5: without quotes this value is read differently by different programs"},
};

class BadYaml : public testing::TestWithParam<BadText> {};

TEST_P(BadYaml, IsRefusedWithPositionAndReason) { EXPECT_EQ(complaint(GetParam().text), GetParam().message); }

std::string name_of(const testing::TestParamInfo<BadText>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(, BadYaml, testing::ValuesIn(kBadTexts), name_of);

TEST(YamlReader, ReportsAllProblemsOfADocument) {
  EXPECT_EQ(complaint("a: &x 1\na: !!int 2\nb: yes\n"),
            "f:1:4: anchors are not allowed\n"
            "f:2:1: repeated key 'a'\n"
            "f:2:4: tags are not allowed\n"
            "f:3:4: without quotes this value is read differently by different programs");
}

TEST(YamlReader, GivesTheTreeDespiteProblemsToFindFurtherOnes) {
  Problems problems;
  const std::optional<Node> root = read("a: 1\na: 2\nb: 3\n", "f", problems);
  EXPECT_EQ(problems.size(), 1U);
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(find(*root, "a")->text, "1");
  EXPECT_EQ(find(*root, "b")->text, "3");
}

TEST(YamlReader, RefusesMoreThanOneMebibyte) {
  const std::string text = "a: \"" + std::string(1 << 20, 'x') + "\"\n";
  EXPECT_EQ(complaint(text), "f:1:1: the file has 1048582 bytes, at most 1048576 are allowed");
}

TEST(YamlReader, TakesDepth32AndRefuses33) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + "x" + std::string(depth, ']');
  };
  EXPECT_EQ(complaint(nested(32)), "");
  EXPECT_EQ(complaint(nested(33)), "f:1:33: nested deeper than 32 levels");
  for (const char open : {'[', '{'})
    EXPECT_THAT(complaint(std::string(500'000, open)), testing::EndsWith("nested deeper than 32 levels"));
}

TEST(YamlReader, GivesKindStyleAndPlace) {
  const Node root = read_or_throw("# c\nä: \"ö\" # c\nb: [é, 'x']\nc:\n  d: ~\n", "f");
  EXPECT_EQ(root.kind, Kind::map);
  ASSERT_EQ(root.entries.size(), 3U);
  EXPECT_EQ(root.entries[0].key, "ä");
  EXPECT_EQ(root.entries[0].at, (Position{.line = 2, .column = 1}));
  EXPECT_EQ(root.entries[0].value.style, Style::quoted);
  EXPECT_EQ(root.entries[0].value.at, (Position{.line = 2, .column = 4}));
  const Node& list = root.entries[1].value;
  EXPECT_EQ(list.kind, Kind::list);
  EXPECT_EQ(list.items[0].style, Style::plain);
  EXPECT_EQ(list.items[1].at, (Position{.line = 3, .column = 8}));
  const Node& null = root.entries[2].value.entries[0].value;
  EXPECT_EQ(null.kind, Kind::null);
  EXPECT_EQ(null.at, (Position{.line = 5, .column = 3}));
}

TEST(YamlReader, TakesWindowsLineEnds) {
  const Node root = read_or_throw("a: b\r\nc: |\r\n  d\r\n", "f");
  EXPECT_EQ(find(root, "a")->text, "b");
  EXPECT_EQ(find(root, "c")->text, "d\n");
}

TEST(YamlReader, TakesBlocksAsText) {
  const Node root = read_or_throw("a: |\n  0777\n  \tx\nb: >-\n  yes\n  no\n", "f");
  EXPECT_EQ(find(root, "a")->text, "0777\n\tx\n");
  EXPECT_EQ(find(root, "a")->style, Style::quoted);
  EXPECT_EQ(find(root, "b")->text, "yes no");
}

TEST(YamlReader, TakesBareValuesOfOthersWhereAllowed) {
  EXPECT_EQ(complaint("a: yes\n", {.ambiguous = Limits::Ambiguous::accept}), "");
}

/// In the manner of Sequent's config.master.yml and of cloud-init's user-data.
TEST(YamlReader, ReadsFilesOfTheFieldExactly) {
  const Node root = read_or_throw(R"(#cloud-config
---
config:
  version: '5.2.0'
  postgres_backups:
    enabled: true
    weekday: '*'
  legal: |
    <p>{% raw %}{{ x }}{% endraw %}</p>

    Más información
  AWS.SNS.SMS.SenderID: "a: b # c"
users:
  - name: vagrant
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys:
      - ssh-rsa AAAAB3NzaC1yc2EA== vagrant insecure public key
)",
                                  "f");
  const Node& config = *find(root, "config");
  EXPECT_EQ(find(config, "version")->text, "5.2.0");
  EXPECT_EQ(find(config, "legal")->text, "<p>{% raw %}{{ x }}{% endraw %}</p>\n\nMás información\n");
  EXPECT_EQ(find(config, "AWS.SNS.SMS.SenderID")->text, "a: b # c");
  const Node& user = find(root, "users")->items.front();
  EXPECT_EQ(find(user, "sudo")->text, "ALL=(ALL) NOPASSWD:ALL");
}

TEST(PlainType, IsTextOnlyIfEveryReaderTakesItSo) {
  for (const char* text : {"prod", "192.168.50.4", "10.0.2.0/24", "30 GiB", "fd00::4", "2001:db8::1", "1.2.3",
                           "-", "nothing", "ssh-ed25519", "0xyz", "e5", "12ab", "yesterday"})
    EXPECT_EQ(plain_type(text), PlainType::text) << text;
}

TEST(PlainType, IsAmbiguousIfReadersDiffer) {
  for (const char* text : {"yes",        "No",
                           "ON",         "off",
                           "y",          "N",
                           "True",       "FALSE",
                           "0777",       "0o17",
                           "007",        "+1",
                           "1_000",      "1:30",
                           "190:20:30",  "1:2:3:4:5:6:7:8",
                           "2024-01-01", "2024-01-01 10:00:00",
                           "1e5",        "1.5e3",
                           ".5",         "5.",
                           ".inf",       "-.INF",
                           ".nan",       "0x1F",
                           "0b101",      "=",
                           "<<",         "00"})
    EXPECT_EQ(plain_type(text), PlainType::ambiguous) << text;
  EXPECT_EQ(plain_type(std::string(200, '0')), PlainType::ambiguous);
}

TEST(PlainType, KnowsNumbersBooleansAndNull) {
  for (const char* text : {"0", "1", "-5", "12345678901234567890"})
    EXPECT_EQ(plain_type(text), PlainType::integer) << text;
  for (const char* text : {"1.5", "-0.25", "24.04"}) EXPECT_EQ(plain_type(text), PlainType::real) << text;
  for (const char* text : {"true", "false"}) EXPECT_EQ(plain_type(text), PlainType::boolean) << text;
  for (const char* text : {"", "~", "null", "Null", "NULL"})
    EXPECT_EQ(plain_type(text), PlainType::null) << text;
}

}  // namespace
}  // namespace imgbuild::yaml
