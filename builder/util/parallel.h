#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace imgbuild {

/// How many threads keep all processors busy.
[[nodiscard]] inline std::size_t processors() { return std::max(1U, std::thread::hardware_concurrency()); }

/// Calls work(i) for each i below 'count', from all processors at once, and returns when all have returned. If one throws, the
/// others end soon, and what it threw is thrown. No thread is left.
template <typename Work>
void in_parallel(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  std::exception_ptr problem;
  const auto run = [&] {
    try {
      for (std::size_t i = next++; i < count && !failed; i = next++) work(i);
    } catch (...) {
      if (!failed.exchange(true)) problem = std::current_exception();
    }
  };
  {
    const std::size_t others = std::min<std::size_t>(count, processors());
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < others; ++i) threads.emplace_back(run);
    run();
  }
  if (problem) std::rethrow_exception(problem);
}

/// A line of work that keeps its order: next() gives items (nothing: that was the last), make(item) is called from all
/// processors at once, and use(made) again in the items' order. next and use are called by one thread at a time each.
template <typename Next, typename Make, typename Use>
class OrderedWork {
 public:
  /// 'ahead': how many items may be between next and use at the same time. It bounds the memory.
  OrderedWork(std::size_t ahead, Next next, Make make, Use use) : ahead_(ahead), next_(next), make_(make), use_(use) {}

  /// Returns when all items are used. Ends and throws as in_parallel.
  void run() {
    in_parallel(processors(), [this](std::size_t) { work(); });
  }

 private:
  using Item = typename std::invoke_result_t<Next&>::value_type;
  using Made = std::invoke_result_t<Make&, Item>;

  void work() {
    std::unique_lock lock(mutex_);
    try {
      while (std::optional<Item> item = take(lock)) {
        const std::size_t number = taken_++;
        lock.unlock();
        Made made = make_(std::move(*item));
        lock.lock();
        made_.emplace(number, std::move(made));
        use_what_is_due(lock);
      }
    } catch (...) {
      if (!lock.owns_lock()) lock.lock();
      ended_ = true;
      room_.notify_all();
      throw;
    }
  }

  std::optional<Item> take(std::unique_lock<std::mutex>& lock) {
    room_.wait(lock, [this] { return ended_ || taken_ - used_ < ahead_; });
    if (ended_) return std::nullopt;
    std::optional<Item> item = next_();
    if (!item) ended_ = true;
    if (!item) room_.notify_all();
    return item;
  }

  /// Whoever uses now goes on with what the others add meanwhile.
  void use_what_is_due(std::unique_lock<std::mutex>& lock) {
    if (is_using_) return;
    is_using_ = true;
    for (auto due = made_.find(used_); due != made_.end(); due = made_.find(used_)) {
      const Made made = std::move(due->second);
      made_.erase(due);
      lock.unlock();
      use_(made);
      lock.lock();
      ++used_;
      room_.notify_all();
    }
    is_using_ = false;
  }

  std::size_t ahead_;
  Next next_;
  Make make_;
  Use use_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::map<std::size_t, Made> made_;  // not used yet, by number
  std::size_t taken_ = 0;
  std::size_t used_ = 0;
  bool ended_ = false;
  bool is_using_ = false;
};

}  // namespace imgbuild
