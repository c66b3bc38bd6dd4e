#include "publish/aws.h"

#include <algorithm>
#include <memory>

#include "publish/endpoint.h"
#include "util/curl_handle.h"
#include "util/digest.h"

namespace imgbuild {
namespace {

using std::chrono::milliseconds;

constexpr int kMostFailures = 8;
constexpr int kMostThrottles = 40;
constexpr int kMostRenewals = 2;
constexpr std::uint64_t kDoubles = 32;  // may be sent, and two more for each request that nobody answered: where all is slow they'd make it slower
constexpr milliseconds kFirstDelay{200};
constexpr milliseconds kMostDelay{5'000};
constexpr milliseconds kSpreadDelay{500};

/// As libcurl sends it: without the scheme's own port.
std::string host_of(const std::string& url) {
  const Url parts = parse_url(url, url);
  const bool is_usual = parts.port == (parts.scheme == "https" ? "443" : "80");
  return is_usual ? parts.host : parts.host + ":" + parts.port;
}

}  // namespace

Aws::Aws(std::string region, CredentialSource& credentials, Status& status)
    : region_(std::move(region)), credentials_(credentials), status_(status) {}

void Aws::submit(AwsCall call, Done done) {
  Attempt attempt;
  attempt.call = std::move(call);
  attempt.done = std::move(done);
  waiting_.push_back(std::move(attempt));
}

HttpRequest Aws::request_of(const AwsCall& call, const std::string& body) const {
  const std::string endpoint = endpoint_of(call.service, region_);
  const bool is_unsigned = call.payload == AwsCall::Payload::unsigned_payload;
  RequestToSign plain = {.method = call.method, .path = call.path, .query = call.query, .headers = call.headers};
  plain.headers.emplace_back("host", host_of(endpoint));
  plain.payload_digest = is_unsigned ? kUnsignedPayload : sha256(body);
  if (is_unsigned || call.service == "s3") plain.headers.emplace_back("x-amz-content-sha256", plain.payload_digest);
  const SigningScope scope = {.region = region_, .service = call.service, .time = std::time(nullptr) + clock_error_.count()};
  const std::string target = call.path + (call.query.empty() ? "" : "?" + call.query);
  return {.method = call.method, .url = endpoint + target, .headers = sign(plain, scope, credentials_.get(scope.time)), .body = {}};
}

bool Aws::is_idle() const {
  return waiting_.empty() && std::ranges::all_of(flights_, [](const auto& flight) { return flight.second.attempt->is_done; });
}

bool Aws::is_late(const Attempt& attempt, Clock::time_point sent, int factor) const {
  return Clock::now() - sent > factor * window_.usual(attempt.call.operation);
}

/// Those under way, without those that are late or whose double was faster.
std::size_t Aws::timely() const {
  std::size_t wanted = 0;
  std::size_t late = 0;
  for (const auto& [number, flight] : flights_) {
    if (flight.attempt->is_done) continue;
    ++wanted;
    if (is_late(*flight.attempt, flight.sent, 1)) ++late;
  }
  return wanted - std::min(late, kMostLate);
}

void Aws::send(const std::shared_ptr<Attempt>& attempt) {
  const AwsCall& call = attempt->call;
  std::string body = call.body ? call.body() : "";
  HttpRequest request = request_of(call, body);
  request.timeout = std::max(call.patience, window_.timeout(call.operation, body.size(), attempt->failures + 1));
  request.patience = std::max(call.patience, request.patience);
  ++figures_.requests;
  figures_.retries += attempt->sent > 0 ? 1 : 0;
  figures_.body_bytes += body.size();
  const Clock::time_point now = Clock::now();
  if (attempt->sent++ == 0) attempt->first = now;
  attempt->last = now;
  ++attempt->flying;
  const SignedWith signed_with = {.generation = credentials_.generation(), .clock_error = clock_error_};
  request.body = std::move(body);
  const std::uint64_t number = figures_.requests;
  flights_[number] = {.attempt = attempt, .sent = now};
  engine_.start(std::move(request), [this, attempt, number, signed_with](const HttpAnswer& answer) {
    flights_.erase(number);
    --attempt->flying;
    attempt->signed_with = signed_with;
    if (answer.status == 0) ++figures_.silences;
    if (!attempt->is_done) take(*attempt, answer);
  });
}

/// A connection that fell silent costs as long as two answers take, not a time-out.
void Aws::double_what_is_lost() {
  for (auto& [number, flight] : flights_) {  // a new one is put at the end, and is not late
    Attempt& attempt = *flight.attempt;
    if (attempt.call.twice == AwsCall::Twice::no || attempt.is_done || !is_late(attempt, attempt.last, 2)) continue;
    if (figures_.doubles >= kDoubles + 2 * figures_.silences) return;
    ++figures_.doubles;
    send(flight.attempt);
  }
}

void Aws::take(Attempt& attempt, const HttpAnswer& answer) {
  figures_.slowest = std::max(figures_.slowest, answer.took);
  const Clock::time_point now = Clock::now();
  if (answer.status != 0) window_.note_answer(attempt.call.operation, answer.took, now);
  const Judgement judgement = judge(answer, clock_error(answer, std::time(nullptr) + attempt.signed_with.clock_error.count()));
  const bool is_overload = judgement.verdict == Verdict::throttled || judgement.reason == kWriteTimeout;
  if (is_overload && !flights_.empty()) window_.note_overload(now);  // one alone was not too many
  if (judgement.verdict == Verdict::transient && answer.status == 0) window_.note_silence(now);
  if (judgement.verdict == Verdict::transient && attempt.flying > 0) return;  // another one of it tells
  if (judgement.verdict != Verdict::done) {
    Attempt again = attempt;
    attempt.is_done = true;  // what its doubles say is of no use any more
    return handle_failure(again, answer, judgement);
  }
  attempt.is_done = true;
  window_.note_success(attempt.call.operation);
  if (attempt.call.fresh == AwsCall::Fresh::yes) gate_ = {};  // it has spread
  attempt.done(answer);
}

milliseconds Aws::delay(int attempts) {
  const milliseconds most = std::min(kMostDelay, kFirstDelay * (1 << std::min(attempts, 10)));
  return milliseconds(std::uniform_int_distribution<long>(1, most.count())(random_));  // full jitter
}

void Aws::repeat(Attempt attempt, milliseconds delay) {
  attempt.not_before = Clock::now() + delay;
  attempt.flying = 0;
  waiting_.push_back(std::move(attempt));
}

void Aws::give_up(const Attempt& attempt, const Judgement& judgement) const {
  if (!judgement.code.empty()) {
    AwsError error(attempt.call.operation, judgement);
    const bool is_forbidden = judgement.code == "UnauthorizedOperation" || judgement.code == "AccessDeniedException" || judgement.code == "AccessDenied";
    if (is_forbidden) error.set_hint("imgbuild ami policy prints what the user or role must be allowed to do");
    throw error;
  }
  throw Error(ExitCode::network, "{}: no answer from {} after {} attempts: {}", attempt.call.operation,
              endpoint_of(attempt.call.service, region_), attempt.sent, judgement.message)
      .set_hint("check the network and --region; run the same command again to go on where this ended");
}

/// Those that fly together fail together: the first gets what is new, the others are only sent again.
void Aws::renew(Attempt& attempt, const HttpAnswer& answer, const Judgement& judgement) {
  if (++attempt.renewals > kMostRenewals) give_up(attempt, judgement);
  if (judgement.verdict == Verdict::skewed) {
    const std::chrono::seconds error = clock_error(answer, std::time(nullptr));
    if (error != clock_error_) status_.note(fmt::format("this host's clock is {} s off AWS's; signing with AWS's time", error.count()));
    clock_error_ = error;
  } else if (credentials_.generation() == attempt.signed_with.generation && !credentials_.renew()) {
    throw Error(ExitCode::network, "{}: {}: {}", attempt.call.operation, judgement.code, judgement.message)
        .set_hint("the credentials have expired: log in again (aws sso login, or new AWS_… variables), then run the same command to go on where this ended");
  }
  repeat(std::move(attempt), milliseconds(0));
}

void Aws::handle_failure(Attempt& attempt, const HttpAnswer& answer, const Judgement& judgement) {
  switch (judgement.verdict) {
    case Verdict::throttled:
      if (++attempt.throttles > kMostThrottles) give_up(attempt, judgement);
      return repeat(std::move(attempt), delay(attempt.throttles));
    case Verdict::transient:
      if (++attempt.failures >= kMostFailures) give_up(attempt, judgement);
      return repeat(std::move(attempt), delay(attempt.failures));
    case Verdict::not_found:
      if (attempt.call.fresh == AwsCall::Fresh::no || Clock::now() - attempt.first > kSpreadTime) give_up(attempt, judgement);
      gate_ = Clock::now() + kSpreadDelay;
      return repeat(std::move(attempt), kSpreadDelay);
    case Verdict::mismatch:  // the body is read again once
      if (++attempt.mismatches > 1) give_up(attempt, judgement);
      return repeat(std::move(attempt), milliseconds(0));
    case Verdict::skewed:
    case Verdict::expired:
      return renew(attempt, answer, judgement);
    case Verdict::refused:
    case Verdict::done:
      break;
  }
  give_up(attempt, judgement);
}

void Aws::turn() {
  const Clock::time_point now = Clock::now();
  milliseconds wait{100};
  double_what_is_lost();
  // What is new somewhere has not spread: one call asks, the others wait.
  const std::size_t most = now < gate_ + kSpreadDelay && gate_ != Clock::time_point{} ? 1 : window_.size();
  for (auto next = waiting_.begin(); next != waiting_.end() && timely() < most;) {
    const Clock::time_point due = std::max(next->not_before, gate_);
    if (due > now) {
      wait = std::clamp(std::chrono::duration_cast<milliseconds>(due - now), milliseconds(1), wait);
      ++next;
      continue;
    }
    const auto attempt = std::make_shared<Attempt>(std::move(*next));
    next = waiting_.erase(next);
    send(attempt);
  }
  engine_.turn(wait);
}

HttpAnswer Aws::call(AwsCall call) {
  HttpAnswer answer;
  bool is_done = false;
  submit(std::move(call), [&](const HttpAnswer& given) {
    answer = given;
    is_done = true;
  });
  while (!is_done) turn();
  return answer;
}

}  // namespace imgbuild
