#include "tree/native_guest.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "guest/tree/base_tree.h"
#include "unit/tree/guest_conformance.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace {

constexpr std::int64_t kEpoch = 1'700'000'000;
const std::filesystem::path kWork = std::filesystem::path(IMGBUILD_BINARY_DIR) / "test-work";

/// One tree for all tests of this file.
const std::filesystem::path& shared_tree() {
  static const io::TemporaryDirectory folder(kWork, "native");
  static const std::filesystem::path tree = [] {
    make_base_tree(folder.path() / "tree");
    return folder.path() / "tree";
  }();
  return tree;
}

struct NativeBackend {
  static Guest& guest() {
    static const std::unique_ptr<Guest> guest = make_native_guest({.tree = shared_tree(), .source_date_epoch = kEpoch});
    return *guest;
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Native, GuestConformance, NativeBackend);

CommandResult shell(const std::string& text, GuestCommand::Network network = GuestCommand::Network::no) {
  return NativeBackend::guest().run({.program = "sh", .arguments = {"-c", text}, .network = network});
}

std::string file_of_proc(const char* name) {
  std::ostringstream text;
  text << std::ifstream(std::string("/proc/self/") + name).rdbuf();
  return text.str();
}

TEST(NativeGuest, GivesOnlyItsOwnEnvironment) {
  ASSERT_EQ(::setenv("IMGBUILD_TEST_SECRET", "s3cret", 1), 0);
  const std::string out = shell("env").out;
  EXPECT_THAT(out, testing::Not(testing::HasSubstr("s3cret")));
  EXPECT_THAT(out, testing::HasSubstr("SOURCE_DATE_EPOCH=1700000000\n"));
  EXPECT_THAT(out, testing::HasSubstr("TZ=UTC\n"));
}

TEST(NativeGuest, SeesOnlyItsOwnProcesses) { EXPECT_EQ(shell("ls /proc | grep -c '^[0-9]'").out, "4\n"); }

TEST(NativeGuest, HasTheSameHostNameEverywhere) { EXPECT_EQ(shell("cat /proc/sys/kernel/hostname").out, "localhost\n"); }

TEST(NativeGuest, CanNotChangeTheKernelsSettings) {
  EXPECT_NE(shell("echo 1 > /proc/sys/vm/drop_caches").exit_status, 0);
}

TEST(NativeGuest, HasAPrivateDevWithWorkingDevices) {
  EXPECT_EQ(shell("echo x > /dev/null && head -c 3 /dev/zero | wc -c && ls /dev/vda /dev/sda 2> /dev/null").out, "3\n");
}

TEST(NativeGuest, HasNoNetworkUnlessAsked) {
  const std::string interfaces = "tail -n +3 /proc/net/dev | wc -l";
  EXPECT_EQ(shell(interfaces).out, "1\n");
  EXPECT_NE(shell(interfaces, GuestCommand::Network::yes).out, "1\n");
}

TEST(NativeGuest, LeavesNoNameServersBehind) {
  NativeBackend::guest().remove("/etc/resolv.conf");
  EXPECT_EQ(shell("cat /etc/resolv.conf", GuestCommand::Network::yes).out, io::read_file("/etc/resolv.conf"));
  EXPECT_FALSE(NativeBackend::guest().exists("/etc/resolv.conf"));
}

TEST(NativeGuest, GivesNameServersThroughALinkIntoRun) {
  std::filesystem::create_symlink("../run/systemd/resolve/stub-resolv.conf", shared_tree() / "etc/resolv.conf");
  EXPECT_EQ(shell("cat /etc/resolv.conf", GuestCommand::Network::yes).out, io::read_file("/etc/resolv.conf"));
  NativeBackend::guest().remove("/etc/resolv.conf");
}

TEST(NativeGuest, MountsNothingOnTheHost) {
  const std::string before = file_of_proc("mountinfo");
  (void)shell("true", GuestCommand::Network::yes);
  EXPECT_EQ(file_of_proc("mountinfo"), before);
}

TEST(NativeGuest, EmptiesTmpAndRunForEachCommand) {
  EXPECT_EQ(shell("touch /tmp/x /run/x; ls /tmp /run/x").exit_status, 0);
  EXPECT_EQ(shell("ls /tmp").out, "");
  EXPECT_FALSE(NativeBackend::guest().exists("/run/x"));
}

TEST(NativeGuest, EndsProcessesLeftInTheBackground) {
  EXPECT_EQ(shell("(while :; do echo x >> /work-left; sleep 0.01; done) & sleep 0.1").exit_status, 0);
  const auto size = std::filesystem::file_size(shared_tree() / "work-left");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // time for the loop to betray itself
  EXPECT_EQ(std::filesystem::file_size(shared_tree() / "work-left"), size);
  NativeBackend::guest().remove("/work-left");
}

TEST(NativeGuest, TellsTheSignalThatEndedAProgram) {
  const CommandResult result = shell("kill -SEGV $$");
  EXPECT_EQ(result.signal, SIGSEGV);
}

TEST(NativeGuest, SaysWhichProgramIsMissing) {
  try {
    (void)NativeBackend::guest().run({.program = "no-such-program"});
    FAIL() << "was found";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "program 'no-such-program' is not installed in the tree");
  }
}

TEST(NativeGuest, RefusesALinkWhereItMountsSomething) {
  const io::TemporaryDirectory folder(kWork, "linked");
  io::make_directories(folder.path() / "usr/bin", 0755);
  io::write_file(folder.path() / "usr/bin/true", "", 0755);
  std::filesystem::create_symlink("/usr", folder.path() / "proc");
  EXPECT_THROW((void)make_native_guest({.tree = folder.path()})->run({.program = "true"}), Error);
}

TEST(NativeGuest, SharesAFolderOfTheHostForOneCommand) {
  const io::TemporaryDirectory folder(kWork, "shared");
  io::write_file(folder.path() / "given", "from the host\n", 0644);
  const CommandResult result = NativeBackend::guest().run({.program = "sh",
                                                           .arguments = {"-c", "cat /mnt/shared/given; echo back > /mnt/shared/taken"},
                                                           .shared = {{folder.path(), "/mnt/shared"}}});
  EXPECT_EQ(result.out, "from the host\n");
  EXPECT_EQ(io::read_file(folder.path() / "taken"), "back\n");
  EXPECT_THAT(NativeBackend::guest().list("/mnt/shared/*"), testing::IsEmpty());
}

/// Pids of processes whose command line holds 'word'.
int processes_with(const std::string& word) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::ostringstream line;
    line << file.rdbuf();
    if (line.str().find(word) != std::string::npos) ++count;
  }
  return count;
}

/// True as soon as 'condition' holds, false after 10 s.
bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

/// Runs a guest in a process of its own, ends that by a signal, and says how many of the guest's processes outlived it.
int survivors_of(int signal, const std::string& mark) {
  const std::filesystem::path tree = shared_tree();
  const pid_t builder = ::fork();
  if (builder == 0) {
    catch_interrupts();
    try {
      (void)make_native_guest({.tree = tree})->run({.program = "sh", .arguments = {"-c", "(setsid sleep " + mark + " &) ; sleep " + mark}});
    } catch (...) {
    }
    ::_exit(0);
  }
  const std::string sleeping = std::string("sleep") + '\0' + mark;
  EXPECT_TRUE(comes_true([&] { return processes_with(sleeping) == 2; }));
  ::kill(builder, signal);
  ::waitpid(builder, nullptr, 0);
  (void)comes_true([&] { return processes_with(sleeping) == 0; });
  return processes_with(sleeping);
}

TEST(NativeGuest, IsGoneWhenImgbuildIsKilled) { EXPECT_EQ(survivors_of(SIGKILL, "98761"), 0); }

TEST(NativeGuest, IsGoneWhenImgbuildIsInterrupted) { EXPECT_EQ(survivors_of(SIGINT, "98762"), 0); }

}  // namespace
}  // namespace imgbuild
