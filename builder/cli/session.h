#pragma once

#include <memory>
#include <string>

#include "cli/progress.h"
#include "util/command.h"
#include "util/status.h"

namespace imgbuild {

/// What every command shares. Options that hold for all are set while the command line is parsed; the callbacks of the
/// commands run after that.
class Session {
 public:
  ProgressMode progress = ProgressMode::automatic;
  enum class Output { text, json } output = Output::text;

  /// Made on first use, when 'progress' is known. With --json events are JSON too, unless asked otherwise.
  [[nodiscard]] Status& status();
  /// The same for several works at once.
  [[nodiscard]] std::unique_ptr<ProgressBoard> board(const std::vector<std::string>& names) const { return make_board(mode(), names); }
  [[nodiscard]] CommandRunner& runner() { return runner_; }

  /// Ends the display, so that an error message begins on a line of its own.
  void forget_stage() { status_.reset(); }

  /// Writes one result line to stdout. Throws Error when stdout can't be written (a full disk, a closed pipe).
  void print(const std::string& line);

 private:
  [[nodiscard]] ProgressMode mode() const {
    const bool wants_json = output == Output::json && progress == ProgressMode::automatic;
    return wants_json ? ProgressMode::json : progress;
  }

  std::unique_ptr<Status> status_;
  SystemCommandRunner runner_;
};

}  // namespace imgbuild
