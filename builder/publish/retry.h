#pragma once

#include <chrono>
#include <ctime>
#include <string>
#include <string_view>

#include "publish/http.h"

namespace imgbuild {

/// What to do about an answer of AWS.
enum class Verdict {
  done,
  throttled,  ///< too fast: later, and fewer at once
  transient,  ///< 5xx, no answer, or "not now": later
  not_found,  ///< of something that may just have been made
  skewed,     ///< our clock is wrong
  expired,    ///< our credentials are no longer good
  mismatch,   ///< it says that the bytes are not those of the checksum
  refused,    ///< for good
};

struct Judgement {
  Verdict verdict = Verdict::done;
  std::string code;     ///< AWS's: "UnauthorizedOperation"; empty if there was no answer
  std::string reason;   ///< of EBS direct: "INVALID_SNAPSHOT_STATE"; may be empty
  std::string message;  ///< for people
};

/// The reason of EBS direct for a block that it could not take in time.
inline constexpr std::string_view kWriteTimeout = "WRITE_REQUEST_TIMEOUT";

/// Judges by status, code and reason: JSON errors of EBS direct (where throttling is status 400) and XML errors of EC2 and S3.
/// 'clock_error' is how far our clock is from the server's 'date' header.
[[nodiscard]] Judgement judge(const HttpAnswer& answer, std::chrono::seconds clock_error);

/// The server's time minus ours; 0 if the answer has no date.
[[nodiscard]] std::chrono::seconds clock_error(const HttpAnswer& answer, std::time_t now);

}  // namespace imgbuild
