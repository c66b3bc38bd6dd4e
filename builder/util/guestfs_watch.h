#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "util/size.h"

namespace imgbuild {

/// Ends the appliance's processes when the user interrupts, a deadline passes or a file grows too long: calls
/// into libguestfs can't be ended otherwise. The call that waits then fails, and reason() says why.
class GuestfsWatch {
 public:
  enum class Reason { none, interrupted, deadline, start_limit, too_long };

  /// Watches children of ours that have 'work' in their command line.
  explicit GuestfsWatch(std::filesystem::path work);
  ~GuestfsWatch();
  GuestfsWatch(const GuestfsWatch&) = delete;
  GuestfsWatch& operator=(const GuestfsWatch&) = delete;

  void set_deadline(std::optional<std::chrono::milliseconds> limit);
  /// How long QEMU may run before set_start_limit({}) is called: a broken KVM lets it hang for ever.
  void set_start_limit(std::optional<std::chrono::milliseconds> limit);
  /// Forgets a reason other than an interrupt, for another try.
  void reset();
  /// No path: no limit.
  void set_file_limit(std::filesystem::path file, ByteSize limit);

  [[nodiscard]] Reason reason() const { return reason_; }
  [[nodiscard]] std::chrono::milliseconds time_limit() const;

 private:
  void watch();
  [[nodiscard]] Reason look();

  std::filesystem::path work_;
  mutable std::mutex mutex_;
  std::chrono::milliseconds time_limit_{};
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::optional<std::chrono::milliseconds> start_limit_;
  std::optional<std::chrono::steady_clock::time_point> started_;  ///< when QEMU was seen first
  std::filesystem::path file_;
  ByteSize file_limit_;
  std::atomic<Reason> reason_ = Reason::none;
  std::atomic<bool> stop_ = false;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace imgbuild
