#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "publish/credential_source.h"
#include "publish/http.h"
#include "publish/retry.h"
#include "publish/send_window.h"
#include "util/error.h"
#include "util/status.h"

namespace imgbuild {

/// Until what is new is known everywhere in AWS (EBS team's figure).
inline constexpr std::chrono::seconds kSpreadTime{132};

/// One call of a service, as data.
struct AwsCall {
  std::string service;    ///< as in signatures and host names: ebs, ec2, s3
  std::string operation;  ///< AWS's name, for people and for how long such calls take
  std::string method = "POST";
  std::string path = "/";
  std::string query = {};  ///< encoded and sorted
  std::vector<HttpHeader> headers = {};
  std::function<std::string()> body = {};  ///< made when it is sent, anew for each attempt; none: empty
  enum class Payload { in_signature, unsigned_payload } payload = Payload::in_signature;
  /// What the call is about was made moments ago: for kSpreadTime "not found" may be news that has not spread.
  enum class Fresh { no, yes } fresh = Fresh::no;
  /// Two of them at once do what one does: where the answer is late, another is sent beside it, and the first answer counts.
  enum class Twice { no, yes } twice = Twice::no;
  /// An answer that comes so late, with silence or a few blanks before it, is none that was lost. Zero: as its kind usually takes.
  std::chrono::milliseconds patience{0};
};

/// A refusal of AWS that is final. The code is AWS's: "UnauthorizedOperation".
class AwsError : public Error {
 public:
  AwsError(const std::string& operation, const Judgement& judgement)
      : Error(ExitCode::network, "{}: {}: {}", operation, judgement.code, judgement.message), aws_code_(judgement.code), reason_(judgement.reason) {}
  [[nodiscard]] const std::string& aws_code() const { return aws_code_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }  ///< of EBS direct; may be empty

 private:
  std::string aws_code_;
  std::string reason_;
};

/// Figures of a run, for people and tests.
struct AwsFigures {
  std::uint64_t requests = 0;  ///< sent, retries among them
  std::uint64_t retries = 0;
  std::uint64_t doubles = 0;   ///< sent beside one that was late
  std::uint64_t silences = 0;  ///< requests without an answer
  std::uint64_t body_bytes = 0;
  std::chrono::milliseconds slowest{0};
};

/// A region of AWS. Signs, sends and repeats calls: what may pass is tried again with growing, random delays and fewer at once.
/// The one place that repeats.
class Aws {
 public:
  Aws(std::string region, CredentialSource& credentials, Status& status);

  using Done = std::function<void(const HttpAnswer&)>;
  /// Queues a call; 'done' gets the good answer, from turn(). turn() throws AwsError for a call that is refused.
  void submit(AwsCall call, Done done);
  /// True while more calls are welcome. Those that wait for their next attempt don't keep others from being sent.
  [[nodiscard]] bool has_room() const { return timely() < window_.size() && waiting_.size() < kMostWaiting; }
  [[nodiscard]] bool is_idle() const;
  /// Sends what is due and takes answers; waits up to a tenth of a second for something to do.
  void turn();

  /// A call by itself: the answer. Throws AwsError, Error (network), Interrupted.
  HttpAnswer call(AwsCall call);

  [[nodiscard]] const std::string& region() const { return region_; }
  [[nodiscard]] const AwsFigures& figures() const { return figures_; }
  [[nodiscard]] Status& status() { return status_; }

 private:
  static constexpr std::size_t kMostWaiting = 64;
  static constexpr std::size_t kMostLate = 16;  ///< each has half a megabyte in memory
  using Clock = std::chrono::steady_clock;
  struct SignedWith {
    std::uint64_t generation = 0;  ///< of the credentials
    std::chrono::seconds clock_error{0};
  };
  struct Attempt {
    AwsCall call;
    Done done;
    int failures = 0;     ///< that count: no answer, 5xx
    int throttles = 0;
    int renewals = 0;     ///< of clock or credentials
    int mismatches = 0;
    int sent = 0;
    int flying = 0;  ///< requests on their way: 1, or more where it was late
    SignedWith signed_with = {};  ///< of the request whose answer came last
    bool is_done = false;
    Clock::time_point first{};
    Clock::time_point last{};  ///< when it was sent first, and last
    Clock::time_point not_before{};
  };
  struct Flight {
    std::shared_ptr<Attempt> attempt;
    Clock::time_point sent;
  };

  /// More than 'factor' times as long under way as such calls usually take; what is usual may have become known meanwhile.
  [[nodiscard]] bool is_late(const Attempt& attempt, Clock::time_point sent, int factor) const;
  [[nodiscard]] std::size_t timely() const;
  void send(const std::shared_ptr<Attempt>& attempt);
  void double_what_is_lost();
  void take(Attempt& attempt, const HttpAnswer& answer);
  void repeat(Attempt attempt, std::chrono::milliseconds delay);
  [[nodiscard]] std::chrono::milliseconds delay(int attempts);
  [[noreturn]] void give_up(const Attempt& attempt, const Judgement& judgement) const;
  void handle_failure(Attempt& attempt, const HttpAnswer& answer, const Judgement& judgement);
  void renew(Attempt& attempt, const HttpAnswer& answer, const Judgement& judgement);
  [[nodiscard]] HttpRequest request_of(const AwsCall& call, const std::string& body) const;

  std::string region_;
  CredentialSource& credentials_;
  Status& status_;
  HttpEngine engine_;
  SendWindow window_;
  AwsFigures figures_;
  std::list<Attempt> waiting_;
  std::map<std::uint64_t, Flight> flights_;  ///< the requests under way, by their number
  Clock::time_point gate_{};  ///< nothing is sent before: something new has not spread yet
  std::chrono::seconds clock_error_{0};  ///< AWS's time minus ours
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace imgbuild
