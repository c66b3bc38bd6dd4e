#include "util/parallel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <stdexcept>

namespace imgbuild {
namespace {

/// Numbers 0 to below 'count'.
auto numbers(int count) {
  return [i = 0, count]() mutable { return i < count ? std::optional(i++) : std::nullopt; };
}

TEST(OrderedWork, UsesInTheOrderOfTheItemsWhateverTakesLonger) {
  std::vector<int> used;
  const auto make = [](int i) {
    if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return i * 10;
  };
  OrderedWork(8, numbers(200), make, [&](int made) { used.push_back(made); }).run();
  std::vector<int> wanted(200);
  for (int i = 0; i < 200; ++i) wanted[static_cast<std::size_t>(i)] = i * 10;
  EXPECT_EQ(used, wanted);
}

TEST(OrderedWork, NeverHasMoreThanTheBoundInBetween) {
  std::atomic<int> between = 0;
  std::atomic<int> most = 0;
  const auto next = [&, i = 0]() mutable {
    if (i == 100) return std::optional<int>();
    most = std::max(most.load(), ++between);
    return std::optional(i++);
  };
  const auto use = [&](int) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    --between;
  };
  OrderedWork(3, next, [](int i) { return i; }, use).run();
  EXPECT_EQ(between, 0);
  EXPECT_LE(most, 3);
}

TEST(OrderedWork, ThrowsWhatAnyPartThrew) {
  const auto fails_at = [](int place) { return [place](int i) { return i == place ? throw std::runtime_error("here") : i; }; };
  const auto ignore = [](int) {};
  EXPECT_THROW(OrderedWork(4, numbers(50), fails_at(20), ignore).run(), std::runtime_error);
  EXPECT_THROW(OrderedWork(4, numbers(50), [](int i) { return i; }, fails_at(49)).run(), std::runtime_error);
  EXPECT_THROW(OrderedWork(4, []() -> std::optional<int> { throw std::runtime_error("no item"); }, [](int i) { return i; }, ignore).run(),
               std::runtime_error);
}

TEST(OrderedWork, MayHaveNothingToDo) {
  OrderedWork(4, numbers(0), [](int i) { return i; }, [](int) { FAIL(); }).run();
}

TEST(InParallel, CallsEachOnce) {
  std::vector<int> calls(1000);
  in_parallel(calls.size(), [&](std::size_t i) { ++calls[i]; });
  EXPECT_EQ(std::accumulate(calls.begin(), calls.end(), 0), 1000);
}

}  // namespace
}  // namespace imgbuild
