#include "publish/send_window.h"

#include <gtest/gtest.h>

namespace imgbuild {
namespace {

using std::chrono::milliseconds;

void answer(SendWindow& window, milliseconds took) {
  window.note_answer("x", took, SendWindow::Clock::now());
  window.note_success("x");
}

TEST(SendWindow, DoublesThenHalvesThenCreeps) {
  SendWindow window;
  const std::size_t first = window.size();
  for (std::size_t i = 0; i < first; ++i) answer(window, milliseconds(10));
  EXPECT_EQ(window.size(), 2 * first);
  window.note_overload(SendWindow::Clock::now());
  EXPECT_EQ(window.size(), first);
  for (std::size_t i = 0; i < first; ++i) answer(window, milliseconds(10));
  EXPECT_LE(window.size(), first + 1);
}

TEST(SendWindow, HalvesOnceForAFlockOfThrottles) {
  SendWindow window;
  const auto now = SendWindow::Clock::now();
  for (int i = 0; i < 10; ++i) window.note_overload(now + milliseconds(i));
  EXPECT_EQ(window.size(), 4U);
  window.note_overload(now + milliseconds(200));
  EXPECT_EQ(window.size(), 2U);
}

TEST(SendWindow, IsHalvedBySilenceOnlyIfNobodyAnswers) {
  SendWindow window;
  const auto now = SendWindow::Clock::now();
  window.note_answer("x", milliseconds(10), now);
  window.note_silence(now + milliseconds(100));
  EXPECT_EQ(window.size(), 8U);
  window.note_silence(now + milliseconds(900));
  EXPECT_EQ(window.size(), 4U);
}

TEST(SendWindow, NeverEndsBelowTwoNorAboveSixtyFour) {
  SendWindow window;
  for (int i = 0; i < 1000; ++i) answer(window, milliseconds(10));
  EXPECT_EQ(window.size(), 64U);
  for (int i = 0; i < 100; ++i) window.note_overload(SendWindow::Clock::now() + std::chrono::seconds(i));
  EXPECT_EQ(window.size(), 2U);
}

TEST(SendWindow, DoesNotGrowWhileAnswersAreSlow) {
  SendWindow window;
  for (int i = 0; i < 20; ++i) answer(window, milliseconds(9'000));
  EXPECT_EQ(window.size(), 8U);
}

TEST(SendWindow, DoesNotGrowWhileAnswersQueue) {
  SendWindow window;
  answer(window, milliseconds(10));
  for (int i = 0; i < 50; ++i) answer(window, milliseconds(200));
  const std::size_t size = window.size();
  for (int i = 0; i < 50; ++i) answer(window, milliseconds(200));
  EXPECT_EQ(window.size(), size);
}

TEST(SendWindow, KnowsWhatIsLate) {
  SendWindow window;
  EXPECT_EQ(window.usual("x"), milliseconds(20'000));
  for (int i = 0; i < 100; ++i) answer(window, milliseconds(300));
  EXPECT_GE(window.usual("x"), milliseconds(300));
  EXPECT_LE(window.usual("x"), milliseconds(310));
}

TEST(SendWindow, WaitsAsLongAsAnswersTake) {
  SendWindow window;
  EXPECT_EQ(window.timeout("x", 0, 1), milliseconds(20'000));
  EXPECT_EQ(window.timeout("x", 512 << 10, 1), milliseconds(28'192));
  for (int i = 0; i < 100; ++i) answer(window, milliseconds(50));
  EXPECT_EQ(window.timeout("x", 0, 1), milliseconds(2'000));
  EXPECT_EQ(window.timeout("x", 0, 3), milliseconds(8'000));
  EXPECT_EQ(window.timeout("x", 0, 9), milliseconds(20'000));
  for (int i = 0; i < 100; ++i) answer(window, milliseconds(1'500));
  EXPECT_GE(window.timeout("x", 0, 1), milliseconds(6'000));
}

}  // namespace
}  // namespace imgbuild
