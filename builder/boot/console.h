#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild {

/// Something a machine's console told. The appliance's own lines are
///   appliance[NAME]: stage TEXT
///   appliance[NAME]: ready ROLE PLAN
///   appliance[NAME]: failed REASON
struct ConsoleEvent {
  enum class Kind {
    boot_loader,
    kernel,  ///< also after a reboot
    init,
    cloud_init,
    stage,
    ready,
    failed,
    stuck,  ///< nothing more will come: kernel panic, emergency mode, no bootable disk
  } kind;
  std::string machine = {};  ///< NAME; of stage, ready and failed
  std::string text = {};     ///< TEXT, REASON, or the line that tells why it is stuck
  std::string role = {};     ///< of ready
  std::string plan = {};     ///< of ready: 64 hex digits
  bool operator==(const ConsoleEvent&) const = default;
};

/// Reads a serial console: bytes in, in pieces of any size; events out. Escape sequences, carriage returns
/// and all that is no printable ASCII are left out, so that what it hands out can be shown on any terminal.
///
/// The kernel writes when it likes: an appliance line may have a kernel message before or behind it on the
/// same line.
class ConsoleParser {
 public:
  /// Each of boot_loader, kernel, init and cloud_init comes once for each boot.
  [[nodiscard]] std::vector<ConsoleEvent> feed(std::string_view bytes);

  /// The last lines that are not empty, at most 20, each at most 4096 characters; what has no newline yet is
  /// the last.
  [[nodiscard]] std::vector<std::string> last_lines() const;

 private:
  enum class Escape { none, begun, sequence, text, text_escape };

  void take(char byte, std::vector<ConsoleEvent>& events);
  bool take_escape(char byte);
  void end_line(std::vector<ConsoleEvent>& events);
  void read_line(std::string_view line, std::vector<ConsoleEvent>& events);
  void note_phase(ConsoleEvent::Kind phase, std::vector<ConsoleEvent>& events);

  Escape escape_ = Escape::none;
  std::string line_;
  std::deque<std::string> lines_;
  int phase_ = -1;  ///< the furthest of boot_loader … cloud_init in this boot
};

}  // namespace imgbuild
