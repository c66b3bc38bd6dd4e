#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "boot/qemu_arguments.h"
#include "boot/qmp.h"
#include "util/command.h"

namespace imgbuild {

/// How a machine came to its end.
struct MachineEnd {
  enum class Kind {
    shut_down,  ///< the guest switched itself off
    rebooted,   ///< the guest wanted a reboot, which QemuMachineSpec::Reboot::ends forbids
    quit,       ///< we told QEMU to end
    crashed,    ///< QEMU ended by itself
  } kind;
  std::string text;  ///< for people: "the machine switched itself off", "QEMU ended with exit status 1: …"
};

/// A machine running in QEMU. Ends with this object, and with this process.
class QemuMachine {
 public:
  /// Starts QEMU with the machine paused. 'temporaries' is where QEMU puts its nameless file for what the
  /// machine writes. Throws Error (not ready) with QEMU's own words when it ends at once; Error (host unfit)
  /// without QEMU.
  QemuMachine(const std::string& qemu, QemuMachineSpec spec, const std::filesystem::path& temporaries);

  /// Port of the machine → port on our 127.0.0.1. QEMU took free ones itself, so nobody can have taken them
  /// in between.
  [[nodiscard]] const std::map<int, int>& ports() const { return ports_; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

  void resize_disk(ByteSize size);
  void resume();

  /// What the console said since the last call; waits up to 'limit' for the first byte. Throws Interrupted.
  [[nodiscard]] std::string read_console(std::chrono::milliseconds limit);
  /// How it ended, or nothing while it runs.
  [[nodiscard]] std::optional<MachineEnd> end();

  /// Presses the power button, if there is still a machine that has one.
  void press_power_button();
  /// Ends QEMU at once.
  void quit();

 private:
  [[nodiscard]] std::string qemu_output() const;
  [[nodiscard]] MachineEnd describe_end(const CommandResult& result);

  std::string qemu_;
  io::File output_;  ///< what QEMU prints
  io::File console_;
  std::unique_ptr<Process> process_;
  std::unique_ptr<Qmp> monitor_;
  std::map<int, int> ports_;
};

/// Reads the ports of QEMU's `info usernet`:
///   TCP[HOST_FORWARD]  16       127.0.0.1 46615       10.0.2.15    22     0     0
[[nodiscard]] std::map<int, int> read_forwarded_ports(const std::string& usernet);

}  // namespace imgbuild
