#include "publish/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "publish/xml.h"
#include "util/curl_handle.h"
#include "util/error.h"

namespace imgbuild {
namespace {

template <std::size_t Count>
bool is_in(const std::array<std::string_view, Count>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

constexpr std::array<std::string_view, 12> kThrottling = {
    "RequestThrottledException", "ThrottlingException", "Throttling",     "RequestLimitExceeded",
    "RequestThrottled",          "SlowDown",            "ThrottledException", "TooManyRequestsException",
    "ACCOUNT_THROTTLED",         "RESOURCE_LEVEL_THROTTLE", "DEPENDENCY_REQUEST_THROTTLED", "ConcurrentLimitExceededException"};
constexpr std::array<std::string_view, 4> kNotFound = {"SNAPSHOT_NOT_FOUND", "InvalidSnapshot.NotFound", "InvalidAMIID.NotFound",
                                                       "InvalidAMIID.Unavailable"};
constexpr std::array<std::string_view, 6> kClock = {"RequestTimeTooSkewed",  "RequestExpired", "InvalidSignatureException",
                                                    "SignatureDoesNotMatch", "AuthFailure",    "RequestInTheFuture"};
constexpr std::array<std::string_view, 5> kExpired = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired",
                                                      "InvalidClientTokenId.Expired"};
/// Refusals with status 400 that say "not now".
constexpr std::array<std::string_view, 3> kTransient = {kWriteTimeout, "CONFLICTING_BLOCK_UPDATE", "RequestTimeout"};
constexpr std::array<std::string_view, 4> kMismatch = {"INVALID_BLOCK", "BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest"};
constexpr std::chrono::seconds kMostClockError{240};  // AWS allows 300

/// What a refusal says: AWS's code, the reason that EBS adds, and a text.
struct Said {
  std::string code, reason, message;
};

Said read_json(const HttpAnswer& answer) {
  Said said;
  const nlohmann::json json = nlohmann::json::parse(answer.body, nullptr, false);
  const auto text = [&](const char* key) { return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : ""; };
  const auto type = answer.headers.find("x-amzn-errortype");
  said.code = type != answer.headers.end() ? type->second : text("__type");
  said.code = said.code.substr(0, said.code.find(':'));
  said.code = said.code.substr(said.code.rfind('#') + 1);
  said.reason = text("Reason");
  said.message = text("Message").empty() ? text("message") : text("Message");
  return said;
}

/// S3 sends white space while a long call goes on.
std::string_view without_leading_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text;
}

Said read_xml(const HttpAnswer& answer) {
  try {
    const XmlNode root = parse_xml(without_leading_blanks(answer.body));
    const XmlNode* error = root.name == "Error" ? &root : root.find("Errors/Error");
    if (error == nullptr) return {};
    return {.code = error->text_of("Code"), .reason = {}, .message = error->text_of("Message")};
  } catch (const Error&) {
    return {};  // a page of a proxy: its status tells
  }
}

Said read_refusal(const HttpAnswer& answer) {
  if (without_leading_blanks(answer.body).starts_with('<')) return read_xml(answer);
  return read_json(answer);
}

bool is_not_now(const Said& said) {
  if (is_in(kTransient, said.reason) || is_in(kTransient, said.code)) return true;
  return said.code == "ValidationException" && said.message.find("Failed to read block data") != std::string::npos;  // cut on its way
}

Verdict verdict_of(const Said& said, long status, std::chrono::seconds clock_error) {
  if (is_in(kThrottling, said.code) || is_in(kThrottling, said.reason) || status == 429) return Verdict::throttled;
  const bool is_clock_wrong = clock_error > kMostClockError || clock_error < -kMostClockError;
  if (is_clock_wrong && is_in(kClock, said.code)) return Verdict::skewed;
  if (is_in(kExpired, said.code)) return Verdict::expired;
  if (is_in(kMismatch, said.reason) || is_in(kMismatch, said.code)) return Verdict::mismatch;
  if (is_in(kNotFound, said.reason) || is_in(kNotFound, said.code)) return Verdict::not_found;
  return status / 100 == 5 || is_not_now(said) ? Verdict::transient : Verdict::refused;
}

}  // namespace

Judgement judge(const HttpAnswer& answer, std::chrono::seconds clock_error) {
  if (answer.status == 0) return {.verdict = Verdict::transient, .code = {}, .reason = {}, .message = answer.failure};
  if (answer.status / 100 == 2) {
    // S3 may answer 200 and then say in the body that it failed.
    if (!without_leading_blanks(answer.body).starts_with('<') || answer.body.find("<Error>") == std::string::npos) return {};
  }
  const Said said = read_refusal(answer);
  Judgement judgement = {.verdict = verdict_of(said, answer.status, clock_error), .code = said.code, .reason = said.reason, .message = said.message};
  if (answer.status / 100 == 2 && judgement.verdict == Verdict::refused) judgement.verdict = Verdict::transient;
  if (judgement.message.empty()) judgement.message = said.reason.empty() ? fmt::format("status {}", answer.status) : said.reason;
  return judgement;
}

std::chrono::seconds clock_error(const HttpAnswer& answer, std::time_t now) {
  const auto date = answer.headers.find("date");
  if (date == answer.headers.end()) return std::chrono::seconds(0);
  const std::time_t theirs = curl_getdate(date->second.c_str(), nullptr);
  return std::chrono::seconds(theirs < 0 ? 0 : theirs - now);
}

}  // namespace imgbuild
