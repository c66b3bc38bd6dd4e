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
  unsigned cpus = 2;
  Accelerator accelerator = Accelerator::automatic;
  Firmware firmware = Firmware::bios;
  std::chrono::milliseconds timeout{300'000};  ///< until ready, with KVM
  int emulated_factor = kEmulatedFactor;       ///< times 'timeout' without
  QemuMachineSpec::Reboot reboot = QemuMachineSpec::Reboot::ends;
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

  /// Waits for the ready line, showing the stages. Throws Error (not ready) with the machine's own reason and
  /// the last lines of its console if it fails, ends, gets stuck or takes too long; Interrupted.
  ReadyMachine wait_until_ready();

  /// Lets a ready machine run until it ends (returns its end) or a signal comes (returns nothing). 'on_ready'
  /// is called for each time it is ready again after a reboot.
  std::optional<MachineEnd> keep(const std::function<void(const ReadyMachine&)>& on_ready);

  /// Ends the machine: a kept disk is first given time to be shut down properly. Returns how it ended.
  MachineEnd stop();

  [[nodiscard]] pid_t pid() const { return machine_->pid(); }

 private:
  [[nodiscard]] QemuMachineSpec machine_spec();
  void start(Accelerator accelerator);
  void begin_stage(const std::string& name);
  void listen();
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

}  // namespace imgbuild
