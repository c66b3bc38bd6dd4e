#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <random>

#include "util/command.h"
#include "util/error.h"
#include "util/yaml.h"

namespace imgbuild::yaml {
namespace {

std::string complaint(const Node& root) {
  try {
    (void)emit(root);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(YamlEmitter, WritesBlocksWithEveryTextInDoubleQuotes) {
  const Node root =
      map({{"hostname", string("demo-s1")},
           {"ssh_pwauth", boolean(false)},
           {"port", number(-22)},
           {"users", list({map({{"name", string("ops")}, {"keys", strings({"a", "b"})}}), string("x")})},
           {"nested", map({{"a", map({{"b", string("")}})}})},
           {"rows", list({strings({"1", "2"}), list({map({{"k", number(1)}})})})},
           {"none", list({})},
           {"empty", map({})},
           {"null", Node{}}});
  EXPECT_EQ(emit(root), R"(hostname: "demo-s1"
ssh_pwauth: false
port: -22
users:
  - name: "ops"
    keys:
      - "a"
      - "b"
  - "x"
nested:
  a:
    b: ""
rows:
  -
    - "1"
    - "2"
  -
    - k: 1
none: []
empty: {}
"null": null
)");
}

TEST(YamlEmitter, QuotesKeysThatReadersMightTakeForSomethingElse) {
  const Node root = map({{"yes", number(1)},
                         {"8080", number(1)},
                         {"a b", number(1)},
                         {"a.b", number(1)},
                         {"", number(1)},
                         {"~", number(1)},
                         {"é", number(1)},
                         {"a-b_c1", number(1)}});
  EXPECT_EQ(
      emit(root),
      "\"yes\": 1\n\"8080\": 1\n\"a b\": 1\n\"a.b\": 1\n\"\": 1\n\"~\": 1\n\"\\u00E9\": 1\na-b_c1: 1\n");
}

TEST(YamlEmitter, QuotesBareValuesOfAFileThatAreNoNumberOrBoolean) {
  const Node root = read_or_throw("a: prod\nb: 7\nc: true\nd: 1.5\n", "f");
  EXPECT_EQ(emit(root), "a: \"prod\"\nb: 7\nc: true\nd: \"1.5\"\n");
}

TEST(YamlEmitter, EscapesToAscii) {
  EXPECT_EQ(emit(string("\"\\\n\r\té€😀\u2028")), "\"\\\"\\\\\\n\\r\\t\\u00E9\\u20AC\\U0001F600\\u2028\"\n");
}

TEST(YamlEmitter, RefusesWhatYamlCannotCarryWithoutShowingIt) {
  EXPECT_EQ(complaint(map({{"files", list({map({{"content", string("hunter2\x7f")}})})}})),
            "files[0].content: the text holds a control character, which YAML can't carry");
  EXPECT_EQ(complaint(string(std::string("a\0b", 3))),
            "document: the text holds a control character, which YAML can't carry");
  EXPECT_EQ(complaint(list({string("\xFF")})), "[0]: the text is no UTF-8, which YAML can't carry");
  EXPECT_EQ(complaint(map({{"a", map({{"b", number(1)}, {"b", number(2)}})}})), "a: repeated key 'b'");
}

TEST(YamlEmitter, RefusesAKeyLongerThanReadersTake) {
  EXPECT_EQ(complaint(map({{std::string(1001, 'a'), number(1)}})),
            "document: key '" + std::string(60, 'a') + "…' is longer than 1000 bytes");
}

TEST(YamlNode, SetReplacesOrAppends) {
  Node root = map({{"a", number(1)}, {"b", number(2)}});
  set(root, "a", number(3));
  set(root, "c", number(4));
  EXPECT_EQ(emit(root), "a: 3\nb: 2\nc: 4\n");
}

/// What has gone wrong in YAML files, and random texts of the characters that do it.
std::vector<std::string> hostile_texts() {
  std::vector<std::string> texts = {"",        " ",          "12345678",
                                    "1:30",    "0777",       "yes",
                                    "no",      "on",         "=",
                                    "<<",      "null",       "~",
                                    "- a",     "a: b",       "#c",
                                    "a #b",    "'",          "\"",
                                    "\\",      "\\n",        "\n",
                                    "a\nb\n",  "\r\n",       "\t",
                                    " a ",     "*a",         "&a",
                                    "!a",      "%a",         "@a",
                                    "`a`",     "$(id)",      "{{ x }}",
                                    "[a]",     "{a}",        "---",
                                    "...",     "? a",        "|",
                                    ">",       "1e5",        ".inf",
                                    "0x1F",    "2024-01-01", "é€😀",
                                    "\u0085",  "\u2028",     "\uFEFFa",
                                    "a\u00A0", "\uFFFD",     std::string(900, 'a')};
  std::mt19937 random(1);  // the same texts in every run
  const std::string alphabet = "'\"\\ \n\t:#-[]{}&*!|>%@`,?=<~0123456789.eExX_+yYnNoO";
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (std::size_t length = random() % 12; text.size() < length;)
      text += alphabet[random() % alphabet.size()];
    texts.push_back(text);
  }
  return texts;
}

Node hostile_document() {
  Node root = map({{"values", strings(hostile_texts())}, {"keys", map({})}});
  for (const std::string& text : hostile_texts()) set(root.entries[1].value, text, string(text));
  return root;
}

TEST(YamlEmitter, IsReadBackExactlyByOurReader) {
  const Node root = read_or_throw(emit(hostile_document()), "f");
  const std::vector<std::string> texts = hostile_texts();
  const Node& values = *find(root, "values");
  ASSERT_EQ(values.items.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(values.items[i].text, texts[i]);
  for (const Entry& entry : find(root, "keys")->entries) EXPECT_EQ(entry.key, entry.value.text);
}

/// PyYAML is what cloud-init reads with.
TEST(YamlEmitter, IsReadBackExactlyByPyYaml) {
  SystemCommandRunner runner;
  const char* script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin.buffer), sys.stdout)";
  const CommandResult result = run_checked(
      runner,
      {.program = "/usr/bin/python3", .arguments = {"-c", script}, .input = emit(hostile_document())});
  const nlohmann::json document = nlohmann::json::parse(result.out);
  EXPECT_EQ(document.at("values").get<std::vector<std::string>>(), hostile_texts());
  for (const auto& [key, value] : document.at("keys").items()) EXPECT_EQ(key, value.get<std::string>());
}

}  // namespace
}  // namespace imgbuild::yaml
