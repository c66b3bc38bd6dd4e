#include "util/command.h"

#include <gtest/gtest.h>

#include <csignal>
#include <vector>

#include "util/error.h"

namespace imgbuild {
namespace {

using std::chrono::milliseconds;

CommandResult run(const Command& command) { return SystemCommandRunner().run(command); }

std::string error_of(const Command& command) {
  SystemCommandRunner runner;
  try {
    run_checked(runner, command);
  } catch (const Error& error) {
    return error.describe();
  }
  return "no error";
}

TEST(CommandRunner, GivesOutputAndStatus) {
  const CommandResult result = run({.program = "sh", .arguments = {"-c", "echo out; echo err >&2; exit 3"}});
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_EQ(result.exit_status, 3);
}

TEST(CommandRunner, FeedsLongInputWhileItReadsLongOutput) {
  const std::string input(1 << 20, 'x');
  EXPECT_EQ(run({.program = "cat", .arguments = {}, .input = input}).out, input);
}

TEST(CommandRunner, SetsTheLocaleTheZoneAndTheAdditions) {
  const Command command = {.program = "sh", .arguments = {"-c", "echo $LC_ALL $TZ $A"}, .environment = {"A=1", "A=2"}};
  EXPECT_EQ(run(command).out, "C.UTF-8 UTC 2\n");
}

TEST(CommandRunner, PassesWholeLinesOn) {
  std::vector<std::string> lines;
  Command command = {.program = "printf", .arguments = {"a\\nb\\nrest"}};
  command.on_line = [&](std::string_view line) { lines.emplace_back(line); };
  run(command);
  EXPECT_EQ(lines, (std::vector<std::string>{"a", "b", "rest"}));
}

TEST(CommandRunner, EndsAProgramThatTakesTooLong) {
  const Command command = {.program = "sleep", .arguments = {"60"}, .timeout = milliseconds(50)};
  EXPECT_EQ(run(command).timed_out, CommandResult::TimedOut::yes);
}

TEST(CommandRunner, SaysWhichProgramIsNotInstalled) {
  EXPECT_EQ(error_of({.program = "no-such-program", .arguments = {}}), "program 'no-such-program' is not installed");
}

TEST(RunChecked, ShowsTheLastTwentyLinesOfStderr) {
  const std::string script = "for i in $(seq 30); do echo line $i >&2; done; exit 7";
  std::string expected = "sh ended with exit status 7:";
  for (int i = 11; i <= 30; ++i) expected += fmt::format("\nline {}", i);
  EXPECT_EQ(error_of({.program = "sh", .arguments = {"-c", script}}), expected);
}

TEST(RunChecked, NamesTheSignal) {
  EXPECT_EQ(error_of({.program = "sh", .arguments = {"-c", "kill -9 $$"}}), "sh ended by signal 9 (Killed)");
}

TEST(RunChecked, EndsAChildThatSaysMoreThanIsWanted) {
  EXPECT_EQ(error_of({.program = "sh", .arguments = {"-c", "while :; do printf aaaaaaaa; done"}, .output_limit = 64_KiB}).substr(0, 26),
            "sh said more than 64 KiB:\n");
}

TEST(CommandRunner, TakesOutputOfExactlyTheLimit) {
  EXPECT_TRUE(run({.program = "printf", .arguments = {"%s", "12345678"}, .output_limit = ByteSize{8}}).succeeded());
  EXPECT_FALSE(run({.program = "printf", .arguments = {"%s", "123456789"}, .output_limit = ByteSize{8}}).succeeded());
}

TEST(Process, IsGoneAfterItsOwner) {
  pid_t pid = 0;
  {
    Process process({.program = "sleep", .arguments = {"60"}}, nullptr);
    pid = process.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

}  // namespace
}  // namespace imgbuild
