#include "util/yaml_fields.h"

#include <gmock/gmock.h>

namespace imgbuild::yaml {
namespace {

constexpr Key kKeys[] = {
    {"name", Need::required}, {"size", Need::optional}, {"on", Need::optional}, {"words", Need::optional}};

constexpr TextRule kShort = {"a text of at most 3 letters", [](std::string_view text) {
                               return text.size() <= 3 ? std::optional(std::string(text)) : std::nullopt;
                             }};

/// A map read with kKeys, and what was said about it.
class FieldsOf {
 public:
  explicit FieldsOf(const std::string& text)
      : root_(read_or_throw(text, "f")),
        file_("f", problems_),
        fields_(file_, root_, "thing 1", kKeys, "thing 1: ") {}

  const Fields* operator->() const { return &fields_; }
  [[nodiscard]] std::vector<std::string> messages() const {
    std::vector<std::string> messages;
    for (const Problem& problem : problems_.sorted())
      messages.push_back(std::to_string(problem.at.line) + ":" + std::to_string(problem.at.column) + ": " +
                         problem.message);
    return messages;
  }

 private:
  Problems problems_;
  Node root_;
  FileProblems file_;
  Fields fields_;
};

using testing::ElementsAre;

TEST(Fields, GivesTypedValues) {
  const FieldsOf fields("{name: abc, size: 7, \"on\": true, words: [a, \"7\"]}");
  EXPECT_EQ(fields->text("name"), "abc");
  EXPECT_EQ(fields->text("name", kShort), "abc");
  EXPECT_EQ(fields->integer("size", 1, 7), 7);
  EXPECT_EQ(fields->boolean("on"), true);
  EXPECT_THAT(fields->texts("words", kShort), ElementsAre("a", "7"));
  EXPECT_THAT(fields.messages(), ElementsAre());
}

TEST(Fields, GivesNothingForAbsentKeys) {
  const FieldsOf fields("{name: abc}");
  EXPECT_EQ(fields->integer("size", 1, 7), std::nullopt);
  EXPECT_EQ(fields->boolean("on"), std::nullopt);
  EXPECT_TRUE(fields->list("words").empty());
  EXPECT_THAT(fields.messages(), ElementsAre());
}

TEST(Fields, NotesUnknownAndMissingKeys) {
  const FieldsOf fields("{nmae: abc, size: 7}");
  EXPECT_THAT(fields.messages(), ElementsAre("1:1: key 'name' is missing in thing 1",
                                             "1:2: unknown key 'nmae' in thing 1, did you mean 'name'?"));
}

TEST(Fields, NotesWrongTypesWithoutTheValue) {
  const FieldsOf fields("{name: [secret], size: \"7\", \"on\": 1.5, words: {a: b}}");
  (void)fields->text("name");
  (void)fields->integer("size", 1, 7);
  (void)fields->boolean("on");
  (void)fields->list("words");
  EXPECT_THAT(fields.messages(), ElementsAre("1:8: thing 1: name: must be text, is a list",
                                             "1:24: thing 1: size: must be a number, is text",
                                             "1:35: thing 1: on: must be true or false, is a number",
                                             "1:47: thing 1: words: must be a list, is a map"));
}

TEST(Fields, NotesValuesThatBreakARule) {
  const FieldsOf fields("{name: abcd, size: 8, words: [a, abcd, a]}");
  (void)fields->text("name", kShort);
  (void)fields->integer("size", 1, 7);
  EXPECT_THAT(fields->texts("words", kShort), ElementsAre("a"));
  EXPECT_THAT(fields.messages(),
              ElementsAre("1:8: thing 1: name: must be a text of at most 3 letters, is 'abcd'",
                          "1:20: thing 1: size: must be 1 to 7, is '8'",
                          "1:34: thing 1: words 2: must be a text of at most 3 letters, is 'abcd'",
                          "1:40: thing 1: words 3: 'a' is there twice"));
}

TEST(Fields, RefusesANumberThatDoesNotFit) {
  const FieldsOf fields("{name: a, size: 99999999999999999999}");
  EXPECT_EQ(fields->integer("size", 1, 7), std::nullopt);
  EXPECT_THAT(fields.messages(),
              ElementsAre("1:17: thing 1: size: must be 1 to 7, is '99999999999999999999'"));
}

TEST(Fields, PutsAProblemWhereTheKeyIsOrElseTheMap) {
  const FieldsOf fields("\n{name: a}");
  fields->problem("name", "is bad");
  fields->problem("size", "is wanted");
  EXPECT_THAT(fields.messages(), ElementsAre("2:1: thing 1: size: is wanted", "2:8: thing 1: name: is bad"));
}

}  // namespace
}  // namespace imgbuild::yaml
