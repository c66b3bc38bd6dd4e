#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace imgbuild {

/// The exit statuses of the program. Interrupted runs end with 128 + signal.
enum class ExitCode {
  done = 0,
  step_failed = 1,
  usage = 2,
  bad_input = 3,
  verification_failed = 4,
  host_unfit = 5,
  network = 6,
  not_ready = 7,
};

/// A failure a person should read. Message form: `where: what is wrong, with 'the value'`, lower case, no full stop.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(ExitCode code, fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)), code_(code) {}

  [[nodiscard]] ExitCode code() const { return code_; }

  /// Says what we were doing, as "while …" lines below the message; the innermost comes first.
  Error& add_context(std::string context) {
    context_.push_back(std::move(context));
    return *this;
  }

  /// Says the cure, as a "hint: …" line. A later hint replaces an earlier one.
  Error& set_hint(std::string hint) {
    hint_ = std::move(hint);
    return *this;
  }

  [[nodiscard]] const std::vector<std::string>& context() const { return context_; }
  [[nodiscard]] const std::string& hint() const { return hint_; }

  /// Message, context lines and hint as printed to people, without a trailing newline.
  [[nodiscard]] std::string describe() const;

 private:
  ExitCode code_;
  std::vector<std::string> context_;
  std::string hint_;
};

/// An Error about a failed system call: "MESSAGE: STRERROR". ENOSPC becomes a hint about disk space. Throws Interrupted if
/// it failed because a signal came: on an overlay each call that has to copy a file up first may end so.
[[nodiscard]] Error system_error(int error_number, const std::string& message);

/// Thrown where a wait notices SIGINT, SIGTERM or SIGHUP. Not an Error: nothing may recover from it.
struct Interrupted {
  int signal;
};

}  // namespace imgbuild
