#include "publish/send_window.h"

#include <algorithm>
#include <cmath>

namespace imgbuild {
namespace {

constexpr double kMost = 64;
constexpr double kSlowAnswer_ms = 2'000;
constexpr double kQueue_ms = 50;  // answers that take so much longer than the best wait in a queue, and more at once would make it longer
constexpr int kEnoughAnswers = 8;         // to trust the mean
constexpr double kLeastTimeout_ms = 2'000;
constexpr double kLeastUsual_ms = 120;
constexpr double kMostTimeout_ms = 20'000;
constexpr double kLeastBytesPerMs = 64;

}  // namespace

void SendWindow::note_answer(const std::string& operation, Milliseconds took, Clock::time_point now) {
  answered_ = now;
  Pace& pace = paces_[operation];
  const double ms = static_cast<double>(took.count());
  if (pace.count++ == 0) {
    pace.mean_ms = pace.best_ms = ms;
    pace.deviation_ms = ms / 2;
  } else {  // RFC 6298
    pace.best_ms = std::min(pace.best_ms, ms);
    pace.deviation_ms += (std::abs(ms - pace.mean_ms) - pace.deviation_ms) / 4;
    pace.mean_ms += (ms - pace.mean_ms) / 8;
  }
}

void SendWindow::note_success(const std::string& operation) {
  const Pace& pace = paces_[operation];
  if (pace.mean_ms > kSlowAnswer_ms || pace.mean_ms > 4 * pace.best_ms + kQueue_ms) return;
  size_ = std::min(kMost, size_ + (is_doubling_ ? 1 : 1 / size_));
}

void SendWindow::note_overload(Clock::time_point now) {
  if (now - halved_ < Milliseconds(100)) return;
  halved_ = now;
  is_doubling_ = false;
  size_ = std::max(2.0, size_ / 2);
}

void SendWindow::note_silence(Clock::time_point now) {
  if (now - answered_ > Milliseconds(500)) note_overload(now);
}

SendWindow::Milliseconds SendWindow::usual(const std::string& operation) const {
  const auto found = paces_.find(operation);
  if (found == paces_.end() || found->second.count < kEnoughAnswers) return Milliseconds(static_cast<long>(kMostTimeout_ms));
  return Milliseconds(static_cast<long>(std::max(kLeastUsual_ms, found->second.mean_ms + 4 * found->second.deviation_ms)));
}

SendWindow::Milliseconds SendWindow::timeout(const std::string& operation, std::size_t bytes, int attempt) const {
  const double most = kMostTimeout_ms + static_cast<double>(bytes) / kLeastBytesPerMs;
  const auto found = paces_.find(operation);
  if (found == paces_.end() || found->second.count < kEnoughAnswers) return Milliseconds(static_cast<long>(most));
  const double usual = 4 * (found->second.mean_ms + 2 * found->second.deviation_ms);
  const double wanted = std::max(kLeastTimeout_ms, usual) * std::pow(2, std::min(attempt - 1, 8));
  return Milliseconds(static_cast<long>(std::min(most, wanted)));
}

}  // namespace imgbuild
