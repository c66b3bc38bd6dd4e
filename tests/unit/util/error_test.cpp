#include "util/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "util/interrupt.h"

namespace imgbuild {
namespace {

TEST(SystemError, SaysWhatFailedAndWhy) {
  const Error error = system_error(EACCES, "cannot open '/x'");
  EXPECT_EQ(error.describe(), "cannot open '/x': Permission denied");
  EXPECT_EQ(error.code(), ExitCode::step_failed);
}

TEST(SystemError, OfAFullDiskIsTheHostsAndHasACure) {
  const Error error = system_error(ENOSPC, "cannot write '/x'");
  EXPECT_EQ(error.describe(),
            "cannot write '/x': No space left on device\n"
            "hint: free some disk space, or set XDG_CACHE_HOME or -o to a larger disk");
  EXPECT_EQ(error.code(), ExitCode::host_unfit);
}

/// Ends with 0 if a call that a signal ended is an interrupt. In a child: an interrupt is for a whole process.
[[noreturn]] void fail_after(int signal, int error_number) {
  catch_interrupts();
  std::raise(signal);
  try {
    const Error error = system_error(error_number, "cannot set the time of '/x'");
    std::_Exit(1);
  } catch (const Interrupted& interrupted) {
    std::_Exit(interrupted.signal == signal ? 0 : 2);
  }
}

TEST(SystemError, OfACallThatASignalEndedIsAnInterrupt) {
  EXPECT_EXIT(fail_after(SIGHUP, EINTR), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(fail_after(SIGTERM, EINTR), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(fail_after(SIGTERM, EIO), testing::ExitedWithCode(1), "");
}

TEST(SystemError, OfACallThatEndedWithoutASignalIsAnError) {
  EXPECT_EQ(system_error(EINTR, "cannot open '/x'").describe(), "cannot open '/x': Interrupted system call");
}

}  // namespace
}  // namespace imgbuild
