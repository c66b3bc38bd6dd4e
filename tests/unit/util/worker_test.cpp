#include "util/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "complaint.h"
#include "util/interrupt.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;

/// Keeps what it hears as lines.
class HeardStatus : public Status {
 public:
  void begin(std::string_view stage) override { heard.push_back(fmt::format("begin {}", stage)); }
  void progress(std::uint64_t done, std::uint64_t total, std::string_view detail) override {
    heard.push_back(fmt::format("progress {}/{} {}", done, total, detail));
  }
  void end(std::string_view result) override { heard.push_back(fmt::format("end {}", result)); }
  void note(std::string_view message) override { heard.push_back(fmt::format("note {}", message)); }
  std::vector<std::string> heard;
};

class Jobs : public ::testing::Test {
 protected:
  Job job(const std::string& name, std::function<std::string(Status&)> work) { return {.name = name, .work = std::move(work), .status = &silent_}; }

  /// Works until it is stopped, and then takes its file away.
  Job endless(const std::string& name) {
    return job(name, [file = folder_.path() / name](Status&) -> std::string {
      struct Cleaner {
        fs::path file;
        ~Cleaner() {  // takes its time, as a large tree does
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
          fs::remove(file);
        }
      } cleaner{file};
      io::write_file(file, "", 0600);
      for (;;) {
        check_interrupt();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  }
  void wait_for(const fs::path& file) {
    while (!fs::exists(file)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  SilentStatus silent_;
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "worker-test"};
};

TEST_F(Jobs, ReturnTheirResultsInTheirOrder) {
  const auto slow = [](Status&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return std::string("slow");
  };
  const auto fast = [](Status&) { return std::string("fast\nwith \"quotes\""); };
  EXPECT_THAT(run_jobs({job("a", slow), job("b", fast), job("c", slow)}, 3), ElementsAre("slow", "fast\nwith \"quotes\"", "slow"));
}

TEST_F(Jobs, RunInProcessesOfTheirOwn) {
  int changed = 0;
  const auto work = [&](Status&) {
    changed = 1;
    return std::to_string(::getpid());
  };
  const std::vector<std::string> results = run_jobs({job("a", work), job("b", work)}, 2);
  EXPECT_EQ(changed, 0);
  EXPECT_NE(results[0], results[1]);
  EXPECT_NE(results[0], std::to_string(::getpid()));
}

TEST_F(Jobs, RunAtMostSoManyAtOnce) {
  const auto work = [this](Status&) {
    const fs::path mine = folder_.path() / std::to_string(::getpid());
    io::write_file(mine, "", 0600);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const auto running = std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator{});
    fs::remove(mine);
    return std::to_string(running);
  };
  EXPECT_THAT(run_jobs({job("a", work), job("b", work), job("c", work)}, 1), ElementsAre("1", "1", "1"));
  const std::vector<std::string> both = run_jobs({job("a", work), job("b", work)}, 2);
  EXPECT_THAT(both, ::testing::Contains("2"));
}

TEST_F(Jobs, TellHowTheyGoAtOnce) {
  HeardStatus status;
  const Job telling{.name = "a",
                    .work =
                        [](Status& said) {
                          said.begin("unpacking");
                          said.progress(1, 2, "half");
                          said.end("done");
                          said.note("a note");
                          return std::string();
                        },
                    .status = &status};
  (void)run_jobs({telling}, 1);
  EXPECT_THAT(status.heard, ElementsAre("begin unpacking", "progress 1/2 half", "end done", "note a note"));
}

TEST_F(Jobs, GiveTheirErrorWithCodeContextAndHint) {
  const auto fail = [](Status&) -> std::string {
    throw Error(ExitCode::network, "mirror is down").add_context("building role 'x'").set_hint("wait");
  };
  try {
    (void)run_jobs({job("x", fail)}, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::network);
    EXPECT_EQ(error.describe(), "mirror is down\n  while building role 'x'\nhint: wait");
  }
}

TEST_F(Jobs, GiveAnyExceptionsText) {
  const auto fail = [](Status&) -> std::string { throw std::runtime_error("out of luck"); };
  EXPECT_EQ(complaint_of([&] { (void)run_jobs({job("x", fail)}, 1); }), "out of luck");
}

TEST_F(Jobs, AreStoppedByTheFirstErrorAndCleanUp) {
  const auto fail = [this](Status&) -> std::string {
    wait_for(folder_.path() / "endless");
    throw Error(ExitCode::step_failed, "failed");
  };
  EXPECT_EQ(complaint_of([&] { (void)run_jobs({endless("endless"), job("x", fail), endless("never begun")}, 2); }), "failed");
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // no child is left
}

TEST_F(Jobs, ThatAreKilledAreNoSuccess) {
  const auto die = [](Status&) -> std::string {
    ::kill(::getpid(), SIGKILL);
    return "";
  };
  EXPECT_EQ(complaint_of([&] { (void)run_jobs({job("web-master", die)}, 1); }),
            "the process for 'web-master' was ended by signal 9 (Killed)");
}

TEST_F(Jobs, ThatJustEndAreNoSuccess) {
  const auto end = [](Status&) -> std::string { ::_exit(3); };
  EXPECT_EQ(complaint_of([&] { (void)run_jobs({job("web-master", end)}, 1); }),
            "the process for 'web-master' ended with exit status 3");
}

/// In a child of this test, for an interrupt is for a whole process.
TEST_F(Jobs, AreStoppedByAnInterruptAndCleanUp) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    catch_interrupts();
    try {
      (void)run_jobs({endless("one"), endless("two")}, 2);
    } catch (const Interrupted& interrupted) {
      ::_exit(interrupted.signal == SIGTERM && fs::is_empty(folder_.path()) && ::waitpid(-1, nullptr, WNOHANG) == -1 ? 0 : 1);
    } catch (...) {
    }
    ::_exit(2);
  }
  for (const char* name : {"one", "two"}) wait_for(folder_.path() / name);
  ::kill(child, SIGTERM);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(Jobs, CleanUpEvenIfWeAreKilled) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    catch_interrupts();
    (void)run_jobs({endless("one"), endless("two")}, 2);
    ::_exit(0);
  }
  for (const char* name : {"one", "two"}) wait_for(folder_.path() / name);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  for (int i = 0; i < 1000 && !fs::is_empty(folder_.path()); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

}  // namespace
}  // namespace imgbuild
