#include "boot/boot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "fake_qemu.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/kvm.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

/// qemu-img, and a KVM probe that succeeds.
class FakeTools : public CommandRunner {
 public:
  CommandResult run(const Command& command) override {
    if (command.program == "qemu-img") return {.out = R"({"virtual-size": 1073741824})"};
    if (command.arguments.front() == "--version") return {.out = "QEMU 1\n"};
    io::write_file(command.directory / "said", "K", 0600);
    return {.exit_status = kKvmProbeExit};
  }
};

class NoteStatus : public SilentStatus {
 public:
  void note(std::string_view message) override { notes.emplace_back(message); }
  std::vector<std::string> notes;
};

const std::string kStart = "greet(); wait_for('cont')\n";
const std::string kPlan(64, 'c');

/// Error messages carry times; "after 0.3 s" becomes "after T".
std::string without_times(std::string text) {
  for (std::size_t at = text.find("after "); at != std::string::npos; at = text.find("after ", at + 1)) {
    text.replace(at + 6, text.find(" s", at + 6) + 2 - (at + 6), "T");
  }
  return text;
}

class Booting : public testing::Test {
 protected:
  Booting() { io::write_file(image_, "disk", 0644); }

  BootRequest request() {
    return {.name = "web",
            .image = image_,
            .format = "qcow2",
            .accelerator = Accelerator::tcg,
            .timeout = std::chrono::seconds(20),
            .emulated_factor = 1,
            .cache = folder_.path() / "cache",
            .console_log = folder_.path() / "web.log",
            .qemu = qemu_.program(),
            .kvm_device = "/dev/null"};
  }
  Boot start(const std::string& behaviour) {
    qemu_.behave(behaviour);
    return {request(), tools_, status_};
  }
  /// The error of a boot that behaves so, as printed, with the folder's name and times replaced.
  std::string failure(const std::string& behaviour) { return failure(behaviour, request()); }
  std::string failure(const std::string& behaviour, const BootRequest& wanted) {
    qemu_.behave(behaviour);
    try {
      (void)Boot(wanted, tools_, status_).wait_until_ready();
      return "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::not_ready);
      std::string text = without_times(error.describe());
      const std::string folder = folder_.path();
      for (std::size_t at; (at = text.find(folder)) != std::string::npos;)
        text.replace(at, folder.size(), "DIR");
      return text;
    }
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "boot-test"};
  fs::path image_ = folder_.path() / "web.qcow2";
  FakeQemu qemu_{folder_.path()};
  FakeTools tools_;
  NoteStatus status_;
};

TEST_F(Booting, EndsWithTheReadyLine) {
  Boot boot =
      start(kStart +
            "say('[    1.000000] Linux\\r\\n[  OK  ] Started\\r\\nappliance[s1]: stage database\\r\\n')\n" +
            "say('appliance[s1]: ready web-master " + kPlan + "\\r\\n')\n");
  const ReadyMachine ready = boot.wait_until_ready();
  EXPECT_EQ(ready.name, "s1");
  EXPECT_EQ(ready.role, "web-master");
  EXPECT_EQ(ready.plan, kPlan);
  EXPECT_EQ(ready.ports, (std::map<int, int>{{22, 4022}, {80, 4080}, {443, 4443}}));
  std::vector<std::string> names;
  for (const BootStage& stage : ready.stages) names.push_back(stage.name);
  EXPECT_EQ(names, (std::vector<std::string>{"firmware", "kernel", "init", "database"}));
}

TEST_F(Booting, GivesTheReasonOfAMachineThatFailed) {
  EXPECT_EQ(
      failure(
          kStart +
          "say('hello\\r\\nappliance[s1]: stage database\\nappliance[s1]: failed no \\x1b[1mspace\\n')\n"),
      "web: 's1' says it failed: no space (at 'database', after T); its console said last:\n"
      "  hello\n"
      "  appliance[s1]: stage database\n"
      "  appliance[s1]: failed no space\n"
      "hint: the whole console is in 'DIR/web.log'");
}

TEST_F(Booting, StopsAtAKernelPanic) {
  EXPECT_EQ(failure(kStart + "say('[    1.000000] Kernel panic - not syncing: VFS\\n')\n"),
            "web: the machine is stuck: Kernel panic - not syncing: VFS (at 'kernel', after T); its console "
            "said last:\n"
            "  [    1.000000] Kernel panic - not syncing: VFS\n"
            "hint: the whole console is in 'DIR/web.log'");
}

TEST_F(Booting, GivesWhatQemuSaidWhenItCrashes) {
  EXPECT_EQ(
      failure(kStart +
              "say('x\\n'); sys.stderr.write('qemu: internal error\\n'); sys.stderr.flush(); stop(1)\n"),
      "web: fake-qemu ended with exit status 1: qemu: internal error (at 'firmware', after T); its console "
      "said last:\n"
      "  x\n"
      "hint: the whole console is in 'DIR/web.log'");
}

TEST_F(Booting, TellsAMachineThatSwitchedItselfOff) {
  EXPECT_EQ(failure(kStart + "event('guest-shutdown'); stop(0)\n"),
            "web: the machine switched itself off (at 'firmware', after T); its console said nothing\n"
            "hint: the whole console is in 'DIR/web.log'");
}

TEST_F(Booting, TellsAMachineThatReboots) {
  EXPECT_EQ(failure(kStart + "event('guest-reset'); stop(0)\n"),
            "web: the machine rebooted itself (at 'firmware', after T); its console said nothing\n"
            "hint: the whole console is in 'DIR/web.log'");
}

TEST_F(Booting, ReadsTheReadyLineOfAMachineThatEndedAtOnce) {
  Boot boot = start(kStart + "say('x' * 200000 + '\\nappliance[s1]: ready r " + kPlan + "\\n'); stop(0)\n");
  EXPECT_EQ(boot.wait_until_ready().role, "r");
}

TEST_F(Booting, GivesUpAfterItsTime) {
  BootRequest wanted = request();
  wanted.timeout = std::chrono::milliseconds(100);
  wanted.emulated_factor = 2;
  EXPECT_EQ(failure(kStart + "say('slow\\n')\n", wanted),
            "web: not ready after T (at 'firmware', after T); its console said last:\n"
            "  slow\n"
            "hint: the whole console is in 'DIR/web.log'");
}

TEST_F(Booting, GivesWhatQemuSaidWhenItDoesNotStart) {
  EXPECT_EQ(failure("sys.stderr.write('qemu: no such machine\\n'); sys.stderr.flush(); stop(1)\n"),
            "fake-qemu does not start the machine: qemu: no such machine");
}

TEST_F(Booting, TriesWithoutKvmWhenQemuDoesNotStartWithIt) {
  qemu_.behave("if '-accel kvm' in options: sys.stderr.write('MSR 0x10a\\n'); sys.stderr.flush(); stop(1)\n" +
               kStart + "say('appliance[s1]: ready r " + kPlan + "\\n')\n");
  BootRequest wanted = request();
  wanted.accelerator = Accelerator::automatic;
  Boot boot(wanted, tools_, status_);
  EXPECT_EQ(boot.wait_until_ready().accelerator, Accelerator::tcg);
  EXPECT_EQ(status_.notes,
            std::vector<std::string>{"fake-qemu does not start the machine: MSR 0x10a; trying without KVM, "
                                     "about ten times slower"});
}

TEST_F(Booting, DoesNotTryWithoutKvmWhenKvmWasAskedFor) {
  BootRequest wanted = request();
  wanted.accelerator = Accelerator::kvm;
  EXPECT_EQ(failure("sys.stderr.write('MSR 0x10a\\n'); sys.stderr.flush(); stop(1)\n", wanted),
            "fake-qemu does not start the machine: MSR 0x10a");
}

TEST_F(Booting, RefusesADiskSmallerThanTheImage) {
  BootRequest wanted = request();
  wanted.disk_size = 512_MiB;
  try {
    Boot boot(wanted, tools_, status_);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_EQ(error.what(), image_.native() + ": the disk of 'web' cannot be 512 MiB: the image has 1 GiB");
  }
}

TEST_F(Booting, RefusesASeedThatIsNotThere) {
  BootRequest wanted = request();
  wanted.seed = "/nonexistent/web.seed.iso";
  try {
    Boot boot(wanted, tools_, status_);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_STREQ(error.what(), "/nonexistent/web.seed.iso: no such file");
  }
}

TEST_F(Booting, LeavesNoProcess) {
  pid_t pid = 0;
  {
    Boot boot = start(kStart + "say('appliance[s1]: ready r " + kPlan + "\\n')\n");
    (void)boot.wait_until_ready();
    pid = boot.pid();
    EXPECT_TRUE(fs::exists(fmt::format("/proc/{}", pid)));
  }
  EXPECT_FALSE(fs::exists(fmt::format("/proc/{}", pid)));
}

TEST_F(Booting, EndsAMachineOnRequest) {
  Boot boot = start(kStart + "say('appliance[s1]: ready r " + kPlan + "\\n')\n");
  (void)boot.wait_until_ready();
  EXPECT_EQ(boot.stop().kind, MachineEnd::Kind::quit);
}

TEST_F(Booting, EndsAMachineThatIsGoneBeforeItsButtonIsPressed) {
  qemu_.behave(kStart + "say('appliance[s1]: ready r " + kPlan + "\\n')\nwait_for('system_powerdown', answered=False)\nevent('guest-shutdown'); stop(0)\n");
  BootRequest kept = request();
  kept.disk = folder_.path() / "kept.qcow2";
  Boot boot(kept, tools_, status_);
  (void)boot.wait_until_ready();
  EXPECT_EQ(boot.stop().kind, MachineEnd::Kind::shut_down);
}

TEST_F(Booting, KeepsAMachineUntilItSwitchesItselfOff) {
  const std::string ready = "say('appliance[s1]: ready r " + kPlan + "\\n')\n";
  Boot boot = start(kStart + ready + "say('[    0.000000] Linux version 6\\n')\n" + ready +
                    "event('guest-shutdown'); stop(0)\n");
  (void)boot.wait_until_ready();
  int times = 0;
  const std::vector<MachineEnd> ends = keep_running({&boot}, [&](const ReadyMachine&) { ++times; });
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends.front().kind, MachineEnd::Kind::shut_down);
  EXPECT_EQ(times, 1);
}

TEST_F(Booting, WaitsForSeveralMachinesAtTheSameTime) {
  const std::string flood = "say('x' * 500000 + '\\n')\n";  // more than a socket holds: unread, it would stop the machine
  Boot first = start(kStart + "say('appliance[s1]: ready r " + kPlan + "\\n')\n" + flood + "event('guest-shutdown'); stop(0)\n");
  Boot second = start(kStart + "import time; time.sleep(1)\nsay('appliance[s2]: ready r " + kPlan + "\\n')\nevent('guest-shutdown'); stop(0)\n");
  std::vector<std::string> ready;
  wait_until_ready({&first, &second},
                   {.on_ready = [&](std::size_t place, const ReadyMachine& machine) {
                      ready.push_back(fmt::format("{} {}", place, machine.name));
                    },
                    .on_failure = [](std::size_t, const Error& error) { FAIL() << error.what(); }});
  EXPECT_EQ(ready, (std::vector<std::string>{"0 s1", "1 s2"}));
  EXPECT_EQ(keep_running({&first, &second}, [](const ReadyMachine&) {}).size(), 2u);
}

TEST_F(Booting, HearsOfAMachineThatIsReadyAfterItFailed) {
  Boot first = start(kStart + "say('appliance[s1]: failed no seed\\n'); import time; time.sleep(1)\nsay('appliance[s1]: ready r " + kPlan + "\\n')\n");
  Boot second = start(kStart + "import time; time.sleep(3)\nsay('appliance[s2]: ready r " + kPlan + "\\n')\n");
  std::vector<std::string> heard;
  wait_until_ready({&first, &second},
                   {.on_ready = [&](std::size_t place, const ReadyMachine&) { heard.push_back(fmt::format("{} ready", place)); },
                    .on_failure = [&](std::size_t place, const Error& error) {
                      heard.push_back(fmt::format("{} failed", place));
                      EXPECT_EQ(error.code(), ExitCode::not_ready);
                      EXPECT_THAT(error.what(), testing::HasSubstr("'s1' says it failed: no seed"));
                    }});
  EXPECT_EQ(heard, (std::vector<std::string>{"0 failed", "0 ready", "1 ready"}));
  EXPECT_TRUE(first.is_running());
}

// The only test in this program that takes a signal: interrupt.h ends the process at the second.
TEST_F(Booting, KeepsAMachineUntilASignalComesAndCanStillEndIt) {
  catch_interrupts();
  Boot boot = start(kStart + "say('appliance[s1]: ready r " + kPlan + "\\nx\\n')\n");
  (void)boot.wait_until_ready();
  ASSERT_EQ(std::raise(SIGTERM), 0);
  EXPECT_TRUE(keep_running({&boot}, [](const ReadyMachine&) {}).empty());
  EXPECT_EQ(boot.stop().kind, MachineEnd::Kind::quit);
}

}  // namespace
}  // namespace imgbuild
