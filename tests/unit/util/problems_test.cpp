#include "util/problems.h"

#include <gmock/gmock.h>

#include "util/error.h"

namespace imgbuild {
namespace {

Problem problem(const std::string& file, int line, int column, const std::string& message) {
  return {.file = file, .at = {.line = line, .column = column}, .message = message, .hint = ""};
}

TEST(Problems, AreThrownSortedWithoutRepetitions) {
  Problems problems;
  problems.add(problem("b.yml", 1, 1, "x"));
  problems.add(problem("a.yml", 10, 2, "y"));
  problems.add(problem("a.yml", 9, 3, "z"));
  problems.add(problem("b.yml", 1, 1, "x"));
  try {
    problems.throw_if_any();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_STREQ(error.what(), "a.yml:9:3: z\na.yml:10:2: y\nb.yml:1:1: x");
  }
}

TEST(Problems, GiveEachHintOnce) {
  Problems problems;
  for (const char* hint : {"one", "two", "one"})
    problems.add({.file = "a.yml", .at = {}, .message = hint, .hint = hint});
  try {
    problems.throw_if_any();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.hint(), "one; two");
  }
}

TEST(Problems, AreCutAfterFifty) {
  Problems problems;
  for (int line = 1; line <= 52; ++line) problems.add(problem("a.yml", line, 1, "x"));
  try {
    problems.throw_if_any();
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::EndsWith("a.yml:50:1: x\nand 2 more problems"));
  }
}

TEST(Problems, ThrowNothingIfThereAreNone) { EXPECT_NO_THROW(Problems().throw_if_any()); }

TEST(Shown, IsFitForATerminal) {
  EXPECT_EQ(shown("a\nb\x1b[31m\x7f"), "'a\\nb\\x1b[31m\\x7f'");
  EXPECT_EQ(shown(std::string(60, 'a')), "'" + std::string(60, 'a') + "'");
  EXPECT_EQ(shown(std::string(61, 'a')), "'" + std::string(60, 'a') + "…'");
  EXPECT_EQ(shown("é" + std::string(60, 'a')), "'é" + std::string(59, 'a') + "…'");
}

}  // namespace
}  // namespace imgbuild
