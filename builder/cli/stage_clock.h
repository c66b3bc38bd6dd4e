#pragma once

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "util/size.h"

/// What the displays of progress share.
namespace imgbuild {

using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

/// The running stage and its time.
class StageClock {
 public:
  void start(std::string_view stage) {
    stage_ = stage;
    begin_ = last_shown_ = Clock::now();
  }
  void stop() { stage_.clear(); }
  [[nodiscard]] bool is_running() const { return !stage_.empty(); }
  [[nodiscard]] const std::string& stage() const { return stage_; }
  [[nodiscard]] milliseconds elapsed() const { return duration_cast<milliseconds>(Clock::now() - begin_); }
  /// True at most once per 'interval'.
  [[nodiscard]] bool is_due(milliseconds interval) {
    if (Clock::now() - last_shown_ < interval) return false;
    last_shown_ = Clock::now();
    return true;
  }

 private:
  std::string stage_;
  Clock::time_point begin_;
  Clock::time_point last_shown_;
};

/// " 43% 12 MiB", or nothing.
inline std::string amount(std::uint64_t done, std::uint64_t total, std::string_view detail) {
  std::string text;
  if (total != 0) text = fmt::format(" {}%", std::min<std::uint64_t>(100, done * 100 / total));
  if (!detail.empty()) text += fmt::format(" {}", detail);
  return text;
}

/// To stderr, at once.
inline void say(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

/// As much of a line as the terminal has room for without wrapping.
inline std::string cut_to_width(std::string line) {
  winsize size{};
  const std::size_t width = ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col - 1U : 79U;
  if (line.size() > width) line.resize(width);
  return line;
}

}  // namespace imgbuild
