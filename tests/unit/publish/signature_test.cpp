#include "publish/signature.h"

#include <gtest/gtest.h>

#include "util/digest.h"

namespace imgbuild {
namespace {

constexpr std::time_t kTime = 1440938160;  // 2015-08-30 12:36:00 UTC

AwsCredentials example() {
  return {.access_key = "AKIDEXAMPLE", .secret_key = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), .session_token = {}, .expires = {}};
}

std::string header(const std::vector<HttpHeader>& headers, const std::string& name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

// AWS's published test suite, case get-vanilla.
TEST(Signature, IsThatOfThePublishedVanillaRequest) {
  const RequestToSign request = {.method = "GET", .path = "/", .query = "", .headers = {{"host", "example.amazonaws.com"}}, .payload_digest = sha256("")};
  const auto headers = sign(request, {.region = "us-east-1", .service = "service", .time = kTime}, example());
  EXPECT_EQ(header(headers, "authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

// The example that AWS's guide goes through step by step.
TEST(Signature, IsThatOfTheGuidesExample) {
  const RequestToSign request = {.method = "GET",
                                 .path = "/",
                                 .query = "Action=ListUsers&Version=2010-05-08",
                                 .headers = {{"host", "iam.amazonaws.com"}, {"content-type", "application/x-www-form-urlencoded; charset=utf-8"}},
                                 .payload_digest = sha256("")};
  const auto headers = sign(request, {.region = "us-east-1", .service = "iam", .time = kTime}, example());
  EXPECT_TRUE(header(headers, "authorization").ends_with("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"));
}

TEST(Signature, CoversTheSessionToken) {
  AwsCredentials credentials = example();
  credentials.session_token = Secret("token//=");
  const RequestToSign request = {.method = "GET", .path = "/", .query = "", .headers = {{"host", "x"}}, .payload_digest = kUnsignedPayload};
  const auto headers = sign(request, {.region = "r", .service = "ebs", .time = kTime}, credentials);
  EXPECT_EQ(header(headers, "x-amz-security-token"), "token//=");
  EXPECT_NE(header(headers, "authorization").find("SignedHeaders=host;x-amz-date;x-amz-security-token"), std::string::npos);
}

TEST(CanonicalRequest, EncodesPathsTwiceForAllButS3) {
  const RequestToSign request = {.method = "PUT", .path = "/a%20b", .query = "", .headers = {{"host", "x"}}, .payload_digest = "d"};
  EXPECT_EQ(canonical_request(request, "s3"), "PUT\n/a%20b\n\nhost:x\n\nhost\nd");
  EXPECT_EQ(canonical_request(request, "ebs"), "PUT\n/a%2520b\n\nhost:x\n\nhost\nd");
}

TEST(PercentEncode, KeepsOnlyWhatRfc3986Allows) {
  EXPECT_EQ(percent_encode("aZ0-._~ /+é"), "aZ0-._~%20%2F%2B%C3%A9");
  EXPECT_EQ(percent_encode("a/b c", "/"), "a/b%20c");
}

}  // namespace
}  // namespace imgbuild
