// How a fetch bears servers that fail, lie or never end.
#include <gtest/gtest.h>

#include <csignal>

#include "base/fetch.h"
#include "unit/base/release_site.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace {

using Texts = std::vector<std::string>;

const std::string kCheck =
    "\nhint: check the network, https_proxy, or name a mirror with --mirror or IMGBUILD_MIRROR";

std::vector<std::int64_t> bytes_sent(const ReleaseSite& site) {
  std::vector<std::int64_t> sent;
  for (const Request& request : site.requests(kImage)) sent.push_back(request.sent);
  return sent;
}

using Sent = std::vector<std::int64_t>;

// Resume.

class Truncation : public testing::TestWithParam<int> {};

TEST_P(Truncation, IsResumedWhereItEnded) {
  const std::int64_t size = 200'000;
  const std::int64_t part = size * GetParam() / 100;
  ReleaseSite site;
  site.publish_signed();
  site.treat(kImage, fmt::format(R"({{"send": {}, "times": 1}})", part));
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(bytes_sent(site), (Sent{part, size - part}));
}

INSTANTIATE_TEST_SUITE_P(AtEachTenth, Truncation, testing::Values(10, 20, 30, 40, 50, 60, 70, 80, 90));

TEST(Transfer, AsksForTheRestUnderTheSameValidator) {
  TreatedImage site(R"({"send": 50000, "times": 1})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.requests(kImage).at(1).range, "bytes=50000-");
  EXPECT_EQ(site.requests(kImage).at(1).if_range, "\"v1\"");
}

TEST(Transfer, SaysWhyItTriesAgain) {
  TreatedImage site(R"({"send": 50000, "times": 1})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.shortened(site.status.notes.at(0)),
            "SITE/" + kImage + ": the connection broke after 50000 bytes, trying again");
}

TEST(Transfer, GivesUpAfterFourAttemptsAndKeepsThePart) {
  TreatedImage site(R"({"send": 10000})");
  EXPECT_EQ(site.fetch_serial(), "SITE/" + kImage + ": the connection broke after 10000 bytes" + kCheck);
  const std::string part = "test-" + sha256(ReleaseSite::content()) + ".part";
  EXPECT_EQ(site.downloads(), (Texts{part, part + ".etag", "test.json"}));
}

TEST(Transfer, GoesOnWithThePartOfAnEarlierRun) {
  TreatedImage site(R"({"send": 10000})");
  (void)site.fetch_serial();
  site.treat_well(kImage);
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(bytes_sent(site), (Sent{10000, 10000, 10000, 10000, 160'000}));
}

TEST(Transfer, StartsOverWhenAPartTurnsOutWrong) {
  TreatedImage site(R"({"send": 10000})");
  (void)site.fetch_serial();
  const std::string part = "test-" + sha256(ReleaseSite::content()) + ".part";
  io::write_file(site.options.cache / "downloads" / part, std::string(1000, 'x'), 0600);
  site.treat_well(kImage);
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.shortened(site.status.notes.back()),
            "SITE/" + kImage + ": what an earlier run left of it was wrong, starting over");
}

TEST(Transfer, StartsOverWhenAPartIsTooLong) {
  TreatedImage site(R"({"send": 10000})");
  (void)site.fetch_serial();
  const std::string part = "test-" + sha256(ReleaseSite::content()) + ".part";
  io::write_file(site.options.cache / "downloads" / part, std::string(300'000, 'x'), 0600);
  site.treat_well(kImage);
  EXPECT_EQ(site.fetch_serial(), "20260301");
}

TEST(Transfer, TakesTheWholeFromAServerThatKnowsNoRanges) {
  TreatedImage site(R"({"send": 10000})");
  (void)site.fetch_serial();
  site.treat(kImage, R"({"ignore_range": true})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.requests(kImage).back().range, "bytes=40000-");
  EXPECT_EQ(site.requests(kImage).back().sent, 200'000);
}

TEST(Transfer, TakesTheWholeWhenTheFileHasChangedSince) {
  TreatedImage site(R"({"send": 10000, "etag": "\"old\""})");
  (void)site.fetch_serial();
  site.treat_well(kImage);
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.requests(kImage).back().if_range, "\"old\"");
  EXPECT_EQ(site.requests(kImage).back().sent, 200'000);
}

TEST(Transfer, StartsOverAfterAnotherPartThanAskedFor) {
  TreatedImage site(R"({"send": 10000})");
  (void)site.fetch_serial();
  site.treat(kImage, R"({"wrong_range": true, "times": 5})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.requests(kImage).back().range, "");
}

TEST(Transfer, ForgetsPartsOfOlderImages) {
  TreatedImage site(R"({"send": 10000})");
  (void)site.fetch_serial();
  site.publish_signed({.serial = "20260401"});
  EXPECT_EQ(site.fetch_serial(), "20260401");
  EXPECT_EQ(site.downloads(), (Texts{sha256(ReleaseSite::content("20260401")), "test.json"}));
}

// What may pass.

TEST(Transfer, BearsAServerThatIsGoneForAMoment) {
  TreatedImage site(R"({"drop": true, "times": 3})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.requests(kImage).size(), 4u);
}

TEST(Transfer, BearsAServerThatIsBusyForAMoment) {
  TreatedImage site(R"({"status": 503, "times": 3})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.shortened(site.status.notes.at(0)),
            "SITE/" + kImage + ": the server answers with status 503, trying again");
}

TEST(Transfer, BearsAStallAndResumes) {
  TreatedImage site(R"({"stall": 50000, "times": 1})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.shortened(site.status.notes.at(0)),
            "SITE/" + kImage + ": less than 1 KiB/s for 1 s, trying again");
}

TEST(Transfer, GivesUpOnAServerThatAlwaysStalls) {
  TreatedImage site(R"({"stall": 0})");
  EXPECT_EQ(site.refusal(ExitCode::network), "SITE/" + kImage + ": less than 1 KiB/s for 1 s" + kCheck);
}

TEST(Transfer, LeavesAServerThatSendsByteByByte) {
  TreatedImage site(R"({"drip": true, "times": 1})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.shortened(site.status.notes.at(0)),
            "SITE/" + kImage + ": less than 1 KiB/s for 1 s, trying again");
}

TEST(Transfer, NeedsNoAnnouncedLength) {
  TreatedImage site(R"({"chunked": true})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
}

// Interrupts.

class InterruptingStatus : public SilentStatus {
 public:
  void progress(std::uint64_t, std::uint64_t, std::string_view) override { std::raise(SIGINT); }
};

/// Ends with 0 if a fetch from a server that stalls notices the signal at once and keeps what came.
[[noreturn]] void fetch_interrupted(const ReleaseSite& site) {
  catch_interrupts();
  InterruptingStatus status;
  SystemCommandRunner runner;
  const auto begin = std::chrono::steady_clock::now();
  try {
    (void)fetch(site.source, site.options, runner, status);
  } catch (const Interrupted& interrupted) {
    const bool at_once = std::chrono::steady_clock::now() - begin < std::chrono::seconds(5);
    std::_Exit(interrupted.signal == SIGINT && at_once ? 0 : 1);
  }
  std::_Exit(2);
}

TEST(Transfer, EndsAtOnceWhenInterruptedAndCanGoOn) {
  TreatedImage site(R"({"stall": 50000, "times": 1})");
  site.options.stall_timeout = std::chrono::seconds(60);
  EXPECT_EXIT(fetch_interrupted(site), testing::ExitedWithCode(0), "");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_LT(site.requests(kImage).back().sent, 200'000);
}

}  // namespace
}  // namespace imgbuild
