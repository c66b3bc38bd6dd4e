#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "util/io.h"

namespace imgbuild {

/// QEMU's monitor (QMP, docs/interop/qmp-spec): one JSON object a line each way. QEMU greets;
/// qmp_capabilities opens it; then {"execute": …} is answered by {"return": …} or {"error": …}, with
/// {"event": …} in between at any time.
class Qmp {
 public:
  /// 'socket' is our end of a socket pair. Waits for the greeting. All methods throw Error (step failed) when
  /// QEMU has closed its end or does not answer in 30 s, and Interrupted.
  explicit Qmp(io::File socket);

  /// The "return" of a command, as JSON. 'arguments' is a JSON object.
  std::string execute(std::string_view command, std::string_view arguments = "{}");
  /// What the command of the human monitor prints.
  std::string execute_human(std::string_view command_line);

  /// Reads what has come, without waiting. False when QEMU has closed its end.
  bool receive();
  /// Why the machine ended, as QEMU says: "guest-shutdown", "guest-reset", "guest-panic", "host-qmp-quit", …
  [[nodiscard]] const std::optional<std::string>& shutdown_reason() const { return shutdown_reason_; }
  [[nodiscard]] int fd() const { return socket_.fd(); }

 private:
  std::string wait_for_line();
  [[nodiscard]] std::optional<std::string> next_line();

  io::File socket_;
  std::string received_;
  std::optional<std::string> shutdown_reason_;
};

}  // namespace imgbuild
