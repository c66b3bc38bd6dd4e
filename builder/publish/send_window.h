#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

namespace imgbuild {

/// How many requests may be on their way at once, and how long to wait for each. The number doubles while all goes well, is
/// halved when the server says that we are too fast or stops answering, and grows by one a round from then on (as TCP does it).
class SendWindow {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(size_); }
  /// An answer to 'operation' came after so long, whatever it said.
  void note_answer(const std::string& operation, Milliseconds took, Clock::time_point now);
  /// It was a good one.
  void note_success(const std::string& operation);
  /// A throttle: at most one halving a tenth of a second, for they come in flocks.
  void note_overload(Clock::time_point now);
  /// No answer. Where others were answered meanwhile it was one connection's fault, and nothing is halved.
  void note_silence(Clock::time_point now);
  /// After how long an answer is later than usual. A request that is late does not keep others from being sent.
  [[nodiscard]] Milliseconds usual(const std::string& operation) const;
  /// How long to wait for an answer on the given attempt (from 1): four times what answers took of late, at least 2 s, doubled for
  /// each attempt; never longer than 20 s and what the bytes need at 64 KiB/s.
  [[nodiscard]] Milliseconds timeout(const std::string& operation, std::size_t bytes, int attempt) const;

 private:
  struct Pace {
    double mean_ms = 0;
    double deviation_ms = 0;
    double best_ms = 0;
    int count = 0;
  };
  std::map<std::string, Pace> paces_;
  double size_ = 8;
  bool is_doubling_ = true;
  Clock::time_point halved_{};
  Clock::time_point answered_{};
};

}  // namespace imgbuild
