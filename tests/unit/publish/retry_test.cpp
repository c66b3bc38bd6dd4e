#include "publish/retry.h"

#include <gtest/gtest.h>

namespace imgbuild {
namespace {

using std::chrono::seconds;

HttpAnswer json_answer(long status, const std::string& type, const std::string& reason) {
  return {.status = status, .headers = {{"x-amzn-errortype", type}}, .body = R"({"Message":"said","Reason":")" + reason + "\"}", .failure = {}};
}

HttpAnswer ec2_answer(long status, const std::string& code) {
  return {.status = status, .headers = {}, .body = "<Response><Errors><Error><Code>" + code + "</Code><Message>said</Message></Error></Errors></Response>", .failure = {}};
}

HttpAnswer s3_answer(long status, const std::string& body) { return {.status = status, .headers = {}, .body = body, .failure = {}}; }

struct Case {
  const char* name;
  HttpAnswer answer;
  seconds clock_error;
  Verdict verdict;
};

class Judging : public testing::TestWithParam<Case> {};

TEST_P(Judging, KnowsWhatToDo) { EXPECT_EQ(judge(GetParam().answer, GetParam().clock_error).verdict, GetParam().verdict); }

INSTANTIATE_TEST_SUITE_P(
    Answers, Judging,
    testing::Values(Case{"done", {.status = 201}, seconds(0), Verdict::done}, Case{"silence", {.failure = "Timeout"}, seconds(0), Verdict::transient},
                    Case{"ebs_throttle_is_status_400", json_answer(400, "RequestThrottledException", "ACCOUNT_THROTTLED"), seconds(0), Verdict::throttled},
                    Case{"throttle_by_reason", json_answer(400, "ValidationException", "DEPENDENCY_REQUEST_THROTTLED"), seconds(0), Verdict::throttled},
                    Case{"ec2_throttle", ec2_answer(503, "RequestLimitExceeded"), seconds(0), Verdict::throttled},
                    Case{"error_500", json_answer(500, "InternalServerException:http://x", ""), seconds(0), Verdict::transient},
                    Case{"fresh_snapshot", json_answer(404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND"), seconds(0), Verdict::not_found},
                    Case{"bad_block", json_answer(400, "ValidationException", "INVALID_BLOCK"), seconds(0), Verdict::mismatch},
                    Case{"other_validation", json_answer(400, "ValidationException", "INVALID_PARAMETER_VALUE"), seconds(0), Verdict::refused},
                    Case{"write_timeout", json_answer(400, "ValidationException", "WRITE_REQUEST_TIMEOUT"), seconds(0), Verdict::transient},
                    Case{"two_puts_of_a_block_at_once", json_answer(400, "ValidationException", "CONFLICTING_BLOCK_UPDATE"), seconds(0), Verdict::transient},
                    Case{"s3_got_the_body_too_slowly", s3_answer(400, "<Error><Code>RequestTimeout</Code></Error>"), seconds(0), Verdict::transient},
                    Case{"block_data_cut_on_its_way",
                         {.status = 400, .headers = {{"x-amzn-errortype", "ValidationException"}}, .body = R"({"message":"Failed to read block data: end of stream"})"},
                         seconds(0), Verdict::transient},
                    Case{"denied", json_answer(403, "AccessDeniedException", "UNAUTHORIZED_ACCOUNT"), seconds(0), Verdict::refused},
                    Case{"expired", json_answer(400, "ExpiredTokenException", ""), seconds(0), Verdict::expired},
                    Case{"wrong_clock", ec2_answer(400, "RequestExpired"), seconds(4000), Verdict::skewed},
                    Case{"expired_with_right_clock", ec2_answer(400, "RequestExpired"), seconds(2), Verdict::expired},
                    Case{"wrong_secret", ec2_answer(403, "SignatureDoesNotMatch"), seconds(2), Verdict::refused},
                    Case{"s3_says_200_and_fails", s3_answer(200, "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>"), seconds(0), Verdict::transient},
                    Case{"s3_says_200_and_blanks_and_fails", s3_answer(200, "\n  <?xml version=\"1.0\"?>\n  <Error><Code>InternalError</Code></Error>"), seconds(0),
                         Verdict::transient}),
    [](const auto& instance) { return instance.param.name; });

TEST(Judgement, HasAwsWords) {
  const Judgement judgement = judge(json_answer(403, "com.amazon#AccessDeniedException:http://x", ""), seconds(0));
  EXPECT_EQ(judgement.code, "AccessDeniedException");
  EXPECT_EQ(judgement.message, "said");
}

TEST(ClockError, IsTheServersTimeMinusOurs) {
  EXPECT_EQ(clock_error({.status = 403, .headers = {{"date", "Sun, 30 Aug 2015 12:36:00 GMT"}}}, 1440938160 - 4000), seconds(4000));
  EXPECT_EQ(clock_error({.status = 403}, 5), seconds(0));
}

}  // namespace
}  // namespace imgbuild
