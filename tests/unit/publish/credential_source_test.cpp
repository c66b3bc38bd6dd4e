#include "publish/credential_source.h"

#include <gtest/gtest.h>

#include "util/error.h"

namespace imgbuild {
namespace {

constexpr std::time_t kNow = 1'800'000'000;

/// A program that gives a new key each time it is asked, good until 'expires'.
struct Program {
  int asked = 0;
  std::time_t expires = kNow + 200;
  enum class Works { yes, no } works = Works::yes;

  RenewingCredentials::Ask ask() {
    return [this] {
      ++asked;
      if (works == Works::no) throw Error(ExitCode::step_failed, "login needed");
      return AwsCredentials{.access_key = "key " + std::to_string(asked), .secret_key = Secret("s"), .session_token = {}, .expires = expires};
    };
  }
};

TEST(RenewingCredentials, AsksOnceForThoseThatLast) {
  Program program{.expires = kNow + 3600};
  RenewingCredentials credentials(program.ask());
  EXPECT_EQ(credentials.get(kNow).access_key, "key 1");
  EXPECT_EQ(program.asked, 1);
}

TEST(RenewingCredentials, AsksOnceAMinuteInTheLastFive) {
  Program program;
  RenewingCredentials credentials(program.ask());
  EXPECT_EQ(credentials.get(kNow).access_key, "key 2");
  EXPECT_EQ(credentials.get(kNow + 1).access_key, "key 2");
  EXPECT_EQ(credentials.get(kNow + 59).access_key, "key 2");
  EXPECT_EQ(credentials.get(kNow + 60).access_key, "key 3");
}

TEST(RenewingCredentials, GoesOnWithWhatItHasWhereAskingFails) {
  Program program;
  RenewingCredentials credentials(program.ask());
  program.works = Program::Works::no;
  EXPECT_EQ(credentials.get(kNow).access_key, "key 1");
  EXPECT_EQ(program.asked, 2);
  EXPECT_THROW((void)credentials.renew(), Error);
}

TEST(RenewingCredentials, JudgesByTheTimeItIsTold) {
  Program program{.expires = kNow + 3600};
  RenewingCredentials credentials(program.ask());
  EXPECT_EQ(credentials.get(kNow + 3500).access_key, "key 2");
}

TEST(RenewingCredentials, CountsEachChange) {
  Program program;
  RenewingCredentials credentials(program.ask());
  const std::uint64_t first = credentials.generation();
  (void)credentials.get(kNow);
  const std::uint64_t second = credentials.generation();
  EXPECT_NE(first, second);
  EXPECT_TRUE(credentials.renew());
  EXPECT_NE(credentials.generation(), second);
}

TEST(RenewingCredentials, KnowsTheSameOnesAgain) {
  RenewingCredentials credentials([] { return AwsCredentials{.access_key = "key", .secret_key = Secret("s"), .session_token = Secret("t"), .expires = {}}; });
  EXPECT_FALSE(credentials.renew());
  EXPECT_EQ(credentials.generation(), 0U);
}

}  // namespace
}  // namespace imgbuild
