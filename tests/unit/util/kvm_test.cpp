#include "util/kvm.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

/// Says its version; runs the guest as told.
class FakeQemu : public CommandRunner {
 public:
  CommandResult run(const Command& command) override {
    if (command.arguments == std::vector<std::string>{"--version"}) return {.out = version + "\nCopyright\n"};
    ++guests;
    disk = io::read_file(command.directory / "disk");
    if (!said.empty()) io::write_file(command.directory / "said", said, 0600);
    return result;
  }
  std::string version = "QEMU emulator version 7.2.22";
  std::string said = "K";
  CommandResult result = {.exit_status = kKvmProbeExit};
  int guests = 0;
  std::string disk;
};

class NoteStatus : public SilentStatus {
 public:
  void note(std::string_view message) override { notes.emplace_back(message); }
  std::vector<std::string> notes;
};

class KvmProbing : public testing::Test {
 protected:
  KvmVerdict probe() { return probe_kvm({.cache = folder_.path(), .device = "/dev/null"}, qemu_, status_); }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "kvm-test"};
  FakeQemu qemu_;
  NoteStatus status_;
};

TEST_F(KvmProbing, WorksWhenTheGuestSpokeAndLeftThroughDebugExit) {
  EXPECT_EQ(probe().works, KvmVerdict::Works::yes);
  EXPECT_TRUE(status_.notes.empty());
}

TEST_F(KvmProbing, BootsADiskWithABootSector) {
  (void)probe();
  ASSERT_EQ(qemu_.disk.size(), 64u << 10);
  EXPECT_EQ(qemu_.disk.substr(510, 2), "\x55\xaa");
}

TEST_F(KvmProbing, TellsWhenQemuAborts) {
  qemu_.result = {.exit_status = -1,
                  .signal = 6,
                  .err = "qemu: warning: x\nqemu: error: failed to set MSR 0x10a to 0x0\n"};
  EXPECT_EQ(
      probe().why,
      "qemu-system-x86_64 was ended by signal 6 (Aborted): qemu: error: failed to set MSR 0x10a to 0x0");
}

TEST_F(KvmProbing, TellsWhenTheGuestHangs) {
  qemu_.result = {.exit_status = -1, .signal = 9, .timed_out = CommandResult::TimedOut::yes};
  EXPECT_EQ(probe(), (KvmVerdict{.why = "guest code did not come to its end in 3.0 s"}));
  EXPECT_EQ(status_.notes,
            std::vector<std::string>{
                "/dev/null is there but does not work (guest code did not come to its end in 3.0 s); "
                "machines are emulated, about ten times slower"});
}

TEST_F(KvmProbing, DoesNotTrustAnExitStatusAlone) {
  qemu_.said.clear();
  EXPECT_EQ(probe(), (KvmVerdict{.why = "qemu-system-x86_64 ended with exit status 85"}));
}

TEST_F(KvmProbing, KeepsTheVerdictAndSaysItOnce) {
  qemu_.result = {.exit_status = 1, .err = "bad\n"};
  const KvmVerdict first = probe();
  EXPECT_EQ(probe(), first);
  EXPECT_EQ(qemu_.guests, 1);
  EXPECT_EQ(status_.notes.size(), 1u);
}

TEST_F(KvmProbing, ProbesAgainAfterAnUpdateOfQemu) {
  (void)probe();
  qemu_.version = "QEMU emulator version 8.0";
  (void)probe();
  EXPECT_EQ(qemu_.guests, 2);
}

TEST_F(KvmProbing, TakesADamagedVerdictForNone) {
  (void)probe();
  io::write_file(folder_.path() / "kvm.json", "{\"key\":", 0644);
  (void)probe();
  EXPECT_EQ(qemu_.guests, 2);
}

TEST_F(KvmProbing, LeavesOnlyTheVerdict) {
  (void)probe();
  EXPECT_TRUE(fs::is_empty(folder_.path() / "work"));
}

TEST_F(KvmProbing, RunsNothingWithoutADevice) {
  const KvmVerdict verdict =
      probe_kvm({.cache = folder_.path(), .device = "/nonexistent/kvm"}, qemu_, status_);
  EXPECT_EQ(verdict, (KvmVerdict{.why = "there is no /nonexistent/kvm"}));
  EXPECT_EQ(qemu_.guests, 0);
}

TEST_F(KvmProbing, TellsWhenQemuIsNotInstalled) {
  SystemCommandRunner runner;
  const KvmProbe probe = {.cache = folder_.path(), .qemu = "qemu-of-nobody", .device = "/dev/null"};
  EXPECT_EQ(probe_kvm(probe, runner, status_),
            (KvmVerdict{.why = "program 'qemu-of-nobody' is not installed"}));
}

}  // namespace
}  // namespace imgbuild
