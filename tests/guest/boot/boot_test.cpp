// Real QEMU, real firmware, and a machine that fits into a boot sector.

#include "boot/boot.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tiny_machine.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"
#include "util/kvm.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

const std::string kPlan(64, 'd');
const std::string kReady = "appliance[tiny]: ready demo " + kPlan + "\r\n";

/// Processes that have 'path' in their command line.
std::size_t processes_with(const std::string& path) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (entry.path().filename() != std::to_string(::getpid()) && text.find(path) != std::string::npos)
      ++count;
  }
  return count;
}

bool can_connect(int port) {
  const io::File socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

class RealBoot : public testing::Test {
 protected:
  BootRequest request(const std::string& script) {
    io::write_file(image_, tiny_machine_disk(script), 0644);
    return {.name = "tiny",
            .image = image_,
            .format = "raw",
            .memory = 64_MiB,
            .cpus = 1,
            .accelerator = Accelerator::tcg,
            .timeout = std::chrono::seconds(60),
            .emulated_factor = 1,
            .cache = folder_.path() / "cache",
            .console_log = folder_.path() / "tiny.log"};
  }
  std::string failure(const BootRequest& wanted) {
    try {
      (void)Boot(wanted, runner_, status_).wait_until_ready();
      return "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::not_ready);
      return error.what();
    }
  }
  void TearDown() override {
    EXPECT_EQ(processes_with(folder_.path()), 0u) << "a process was left";
    if (fs::exists(folder_.path() / "cache/work")) {
      EXPECT_TRUE(fs::is_empty(folder_.path() / "cache/work")) << "a temporary was left";
    }
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "guest-boot"};
  fs::path image_ = folder_.path() / "tiny, with comma.raw";
  SystemCommandRunner runner_;
  SilentStatus status_;
};

TEST_F(RealBoot, ReachesReadyAndForwardsPorts) {
  Boot boot(request("appliance[tiny]: stage one\r\n" + kReady), runner_, status_);
  const ReadyMachine ready = boot.wait_until_ready();
  EXPECT_EQ(ready.name, "tiny");
  EXPECT_EQ(ready.plan, kPlan);
  for (int port : {22, 80, 443}) EXPECT_TRUE(can_connect(ready.ports.at(port))) << port;
  const std::string said = "appliance[tiny]: stage one\r\n" + kReady;
  const fs::path log = folder_.path() / "tiny.log";
  // The machine is ready one byte before its line ends.
  for (int i = 0; i < 100 && fs::file_size(log) < said.size(); ++i) ::usleep(50'000);
  EXPECT_EQ(boot.stop().kind, MachineEnd::Kind::quit);
  EXPECT_EQ(io::read_file(log), said);
}

TEST_F(RealBoot, LeavesTheImageAsItIs) {
  const BootRequest wanted =
      request("appliance[tiny]: stage boot #\r\n" + kReady);  // the machine writes its disk
  const std::string before = sha256_file(image_);
  for (int run = 0; run < 2; ++run) {
    Boot boot(wanted, runner_, status_);
    EXPECT_EQ(boot.wait_until_ready().stages.back().name, "boot 1");
  }
  EXPECT_EQ(sha256_file(image_), before);
}

TEST_F(RealBoot, GoesOnWithAKeptDisk) {
  BootRequest wanted = request("appliance[tiny]: stage boot #\r\n" + kReady + "\x03");
  wanted.disk = folder_.path() / "kept.qcow2";
  wanted.disk_size = 2_MiB;
  const std::string before = sha256_file(image_);
  for (const char* stage : {"boot 1", "boot 2"}) {
    Boot boot(wanted, runner_, status_);
    EXPECT_EQ(boot.wait_until_ready().stages.back().name, stage);
    EXPECT_EQ(boot.stop().kind, MachineEnd::Kind::shut_down) << "the power button was not used";
  }
  EXPECT_EQ(sha256_file(image_), before);
}

TEST_F(RealBoot, EnlargesADiscardedDisk) {
  BootRequest wanted = request(kReady);
  wanted.disk_size = 64_MiB;
  Boot boot(wanted, runner_, status_);
  EXPECT_EQ(boot.wait_until_ready().name, "tiny");
}

TEST_F(RealBoot, GivesTheReasonOfAFailure) {
  EXPECT_NE(failure(request("appliance[tiny]: failed disk on fire\r\n"))
                .find("tiny: 'tiny' says it failed: disk on fire (at"),
            std::string::npos);
}

TEST_F(RealBoot, NoticesAPanic) {
  EXPECT_NE(failure(request("[    0.100000] Kernel panic - not syncing: no init\r\n"))
                .find("tiny: the machine is stuck: Kernel panic - not syncing: no init (at 'kernel'"),
            std::string::npos);
}

TEST_F(RealBoot, NoticesAMachineThatSwitchesItselfOff) {
  EXPECT_NE(failure(request("bye\r\n\x01")).find("tiny: the machine switched itself off (at 'firmware'"),
            std::string::npos);
}

TEST_F(RealBoot, NoticesAMachineThatRebootsBeforeItIsReady) {
  EXPECT_NE(failure(request("again\r\n\x02")).find("tiny: the machine rebooted itself (at 'firmware'"),
            std::string::npos);
}

TEST_F(RealBoot, SaysWhatQemuSaysOfAnImageItCannotUse) {
  BootRequest wanted = request("");
  wanted.memory = {std::uint64_t{1} << 60};
  EXPECT_TRUE(
      failure(wanted).starts_with("qemu-system-x86_64 does not start the machine: qemu-system-x86_64: "))
      << failure(wanted);
}

TEST_F(RealBoot, StaysReadyThroughARebootThatIsAllowed) {
  BootRequest wanted = request(kReady + "\x04\x01");  // ready, reboot, ready, off
  wanted.reboot = QemuMachineSpec::Reboot::allowed;
  Boot boot(wanted, runner_, status_);
  (void)boot.wait_until_ready();
  int again = 0;
  const std::vector<MachineEnd> ends = keep_running({&boot}, [&](const ReadyMachine&) { ++again; });
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends.front().kind, MachineEnd::Kind::shut_down);
  EXPECT_EQ(again, 1);
}

TEST_F(RealBoot, EndsWithItsStarterEvenIfThatIsKilled) {
  const BootRequest wanted = request(kReady);
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t starter = ::fork();
  if (starter == 0) {
    Boot boot(wanted, runner_, status_);
    (void)boot.wait_until_ready();
    (void)!::write(pipe[1], "r", 1);
    ::pause();
  }
  ::close(pipe[1]);
  char byte = 0;
  ASSERT_EQ(::read(pipe[0], &byte, 1), 1) << "the machine was not ready";
  EXPECT_EQ(processes_with(folder_.path()), 1u);
  ::kill(starter, SIGKILL);
  ::waitpid(starter, nullptr, 0);
  ::close(pipe[0]);
  for (int i = 0; i < 100 && processes_with(folder_.path()) != 0; ++i) ::usleep(50'000);  // TearDown judges
}

TEST_F(RealBoot, IsShutDownWhenASignalEndsTheWait) {
  BootRequest wanted = request(kReady + "\x03");
  wanted.disk = folder_.path() / "kept.qcow2";
  const pid_t starter = ::fork();
  if (starter == 0) {
    catch_interrupts();
    Boot boot(wanted, runner_, status_);
    (void)boot.wait_until_ready();
    (void)::kill(::getpid(), SIGINT);  // Ctrl-C
    const bool came = keep_running({&boot}, [](const ReadyMachine&) {}).empty();
    const bool shut_down = boot.stop().kind == MachineEnd::Kind::shut_down;
    ::_exit(came && shut_down && processes_with(folder_.path()) == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(starter, &status, 0), starter);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(RealBoot, StartsWithUefiFirmware) {
  BootRequest wanted = request("");
  wanted.firmware = Firmware::uefi;
  wanted.memory = 256_MiB;
  const std::string why = failure(wanted);  // no EFI program is on that disk
  EXPECT_TRUE(why.starts_with("tiny: the machine is stuck: UEFI Interactive Shell")) << why;
}

TEST_F(RealBoot, RunsUnderKvmWhereTheProbeSaysSo) {
  BootRequest wanted = request(kReady);
  const KvmVerdict verdict = probe_kvm({.cache = wanted.cache}, runner_, status_);
  wanted.accelerator = Accelerator::automatic;
  Boot boot(wanted, runner_, status_);
  const Accelerator expected = verdict.works == KvmVerdict::Works::yes ? Accelerator::kvm : Accelerator::tcg;
  EXPECT_EQ(boot.wait_until_ready().accelerator, expected) << verdict.why;
}

}  // namespace
}  // namespace imgbuild
