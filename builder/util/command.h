#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {

/// A program to run, as data. Never through a shell. The child gets its own process group, no terminal input, umask 022
/// and dies with us (PR_SET_PDEATHSIG).
struct Command {
  std::string program;                 ///< name looked up in PATH, or a path
  std::vector<std::string> arguments;  ///< without the program's name; never a secret
  std::vector<std::string> environment = {};  ///< "NAME=value" added to ours; LC_ALL=C.UTF-8 and TZ=UTC are always set
  std::string input = {};              ///< given on standard input
  std::filesystem::path directory = {};  ///< empty: ours
  std::optional<std::chrono::milliseconds> timeout = {};  ///< none: as long as it takes
  std::function<void(std::string_view)> on_line = {};  ///< each line of stdout and stderr as it comes, without newline
  std::optional<ByteSize> output_limit = {};  ///< of stdout; a child that says more is ended
  /// Runs in the child between fork and exec (namespaces, chroot); returns 0 or an errno. Must be async-signal-safe.
  std::function<int()> before_exec = {};
};

struct CommandResult {
  int exit_status = 0;  ///< -1 when ended by a signal
  int signal = 0;
  enum class TimedOut { no, yes } timed_out = TimedOut::no;
  enum class TooLong { no, yes } too_long = TooLong::no;  ///< said more than output_limit
  std::string out;  ///< all of stdout
  std::string err;  ///< the last 64 KiB of stderr
  [[nodiscard]] bool succeeded() const { return exit_status == 0 && timed_out == TimedOut::no && too_long == TooLong::no; }
};

/// Who runs commands. Real one: SystemCommandRunner. Tests have fakes.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  /// Runs to the end. Throws Error only if the program can't be started; Interrupted after having ended the child.
  virtual CommandResult run(const Command& command) = 0;
};

class SystemCommandRunner : public CommandRunner {
 public:
  CommandResult run(const Command& command) override;
};

/// Runs and throws an Error with program, exit status or signal and the last 20 lines of stderr unless it succeeded.
CommandResult run_checked(CommandRunner& runner, const Command& command);

/// The Error run_checked throws.
[[nodiscard]] Error command_error(const Command& command, const CommandResult& result);

/// The program's path in PATH (plus /usr/sbin and /sbin), or nothing.
[[nodiscard]] std::optional<std::filesystem::path> find_program(std::string_view name);

/// A child that runs while we do something else (QEMU). Ended, with its process group, on destruction.
class Process {
 public:
  /// Starts it; stdout and stderr go to 'output' (or /dev/null). input, timeout and on_line are not used.
  Process(const Command& command, const io::File* output);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The result once it has ended, else nothing.
  [[nodiscard]] std::optional<CommandResult> poll();
  /// SIGTERM, then after 'grace' SIGKILL, to the whole group; waits for the end.
  void terminate(std::chrono::milliseconds grace);

 private:
  pid_t pid_;
  std::optional<CommandResult> result_;
};

}  // namespace imgbuild
