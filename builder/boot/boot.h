#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "boot/console.h"
#include "boot/qemu_arguments.h"
#include "boot/qemu_machine.h"
#include "recipe/environment.h"
#include "util/command.h"
#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

/// How much longer an emulated machine may take. Its processor is about ten times slower, its disk and its
/// waits are not.
inline constexpr int kEmulatedFactor = 3;

/// A machine to start from an image. The image is never written.
struct BootRequest {
  std::string name;  ///< for people: the machine's, else the image's
  std::filesystem::path image;
  std::string format;  ///< of the image; said, never guessed from its content
  std::optional<std::filesystem::path> seed = {};
  std::optional<std::filesystem::path> disk =
      {};                                  ///< keeps what the machine writes; made if absent. None: discarded
  std::optional<ByteSize> disk_size = {};  ///< larger than the image's
  ByteSize memory = 2_GiB;
  unsigned cpus = kDefaultCpus;
  Accelerator accelerator = Accelerator::automatic;
  Firmware firmware = Firmware::bios;
  std::chrono::milliseconds timeout{300'000};  ///< until ready, with KVM
  int emulated_factor = kEmulatedFactor;       ///< times 'timeout' without
  QemuMachineSpec::Reboot reboot = QemuMachineSpec::Reboot::ends;
  std::optional<SharedSegment> segment = {};  ///< where it meets the other machines of its deployment
  std::filesystem::path cache;        ///< root: temporaries, KVM verdict
  std::filesystem::path console_log;  ///< what the console says, whole; its folder is made
  std::string qemu = "qemu-system-x86_64";
  std::filesystem::path kvm_device = "/dev/kvm";
};

struct BootStage {
  std::string name;  ///< firmware, boot loader, kernel, init, cloud-init, then the appliance's own
  std::chrono::milliseconds began{};  ///< since the start of the machine
  bool operator==(const BootStage&) const = default;
};

/// What a ready machine told, and how to reach it.
struct ReadyMachine {
  std::string name;  ///< its host name
  std::string role;
  std::string plan;          ///< digest of the image's plan
  std::map<int, int> ports;  ///< 22, 80 and 443 of the machine → port on 127.0.0.1
  std::chrono::milliseconds took{};
  std::vector<BootStage> stages;
  Accelerator accelerator = Accelerator::tcg;
};

/// A machine from its start to its end. Its process ends with this object.
class Boot {
 public:
  /// Starts the machine. With an automatic accelerator KVM is used if it runs guest code; if QEMU does not
  /// start with it all the same, once more without it, and 'status' says so. Throws Error (bad input) for an
  /// image that can't be used, (host unfit) without QEMU or firmware, (not ready) if QEMU does not start.
  Boot(BootRequest request, CommandRunner& runner, Status& status);

  /// Waits for the ready line; otherwise like listen_until_ready().
  ReadyMachine wait_until_ready();

  /// Listens to a machine that is starting, up to 'patience', and shows its stages. Returns it once it is ready. Throws
  /// Error (not ready) with the machine's own reason and the last lines of its console if it fails, ends, gets stuck or
  /// takes too long; Interrupted.
  std::optional<ReadyMachine> listen_until_ready(std::chrono::milliseconds patience);

  /// Listens to a machine that was ready, up to 'patience'. Returns its end if it has ended. 'on_ready' is called when it is
  /// ready again after a reboot. Throws Interrupted.
  std::optional<MachineEnd> listen_while_running(std::chrono::milliseconds patience,
                                                 const std::function<void(const ReadyMachine&)>& on_ready);

  /// Ends the machine: a kept disk is first given time to be shut down properly. Returns how it ended.
  MachineEnd stop();

  [[nodiscard]] pid_t pid() const { return machine_->pid(); }
  /// 22, 80 and 443 of the machine → port on 127.0.0.1.
  [[nodiscard]] const std::map<int, int>& ports() const { return machine_->ports(); }
  /// False once it has ended.
  [[nodiscard]] bool is_running() { return !machine_->end(); }

 private:
  [[nodiscard]] QemuMachineSpec machine_spec();
  void start(Accelerator accelerator);
  void begin_stage(const std::string& name);
  void listen(std::chrono::milliseconds patience);
  void shut_down();
  [[nodiscard]] std::optional<ConsoleEvent> next_event();
  [[nodiscard]] ReadyMachine ready_machine(const ConsoleEvent& event) const;
  [[nodiscard]] Error not_ready(const std::string& why) const;
  [[nodiscard]] std::chrono::milliseconds elapsed() const;
  [[nodiscard]] int slowness() const;

  BootRequest request_;
  CommandRunner& runner_;
  Status& status_;
  std::unique_ptr<QemuMachine> machine_;
  Accelerator accelerator_ = Accelerator::tcg;
  std::chrono::steady_clock::time_point began_;
  ConsoleParser console_;
  std::deque<ConsoleEvent> events_;  ///< heard, not yet answered to
  std::vector<BootStage> stages_;
};

/// What happens to machines that start together; each is named by its place in the list.
struct StartEvents {
  std::function<void(std::size_t, const ReadyMachine&)> on_ready;
  /// Throw to give up. Else the others are waited for, and of this one only that it is ready after all.
  std::function<void(std::size_t, const Error&)> on_failure;
};

/// Waits until every machine is ready or has failed, all of them at the same time. Throws Interrupted.
void wait_until_ready(const std::vector<Boot*>& machines, const StartEvents& events);

/// Lets ready machines run until the last has ended or a signal comes. Returns the ends that came, in their order. 'on_ready'
/// hears of each that is ready again after a reboot.
std::vector<MachineEnd> keep_running(std::vector<Boot*> machines,
                                     const std::function<void(const ReadyMachine&)>& on_ready);

}  // namespace imgbuild
