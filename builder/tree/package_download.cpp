#include "tree/package_download.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "util/curl_handle.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kAtOnce = 8;  // one connection waits for the mirror most of the time
constexpr int kAttempts = 4;
constexpr std::chrono::milliseconds kRetryDelay{500};  // doubled for each further attempt
constexpr long kConnectTimeout_ms = 30'000;
constexpr long kLeastBytesPerSecond = 1024;
constexpr long kStall_s = 30;
constexpr long kMostRedirects = 5;
constexpr int kPoll_ms = 100;  // how soon an interrupt is seen

Error cannot_start() { return Error(ExitCode::host_unfit, "libcurl can't start"); }

void require_global_init() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);  // once a process, as libcurl demands
  if (result != CURLE_OK) throw cannot_start();
}

/// One package file on its way.
class Transfer {
 public:
  Transfer(const LockedPackage& package, const fs::path& folder, const std::string& proxy)
      : package_(package), path_(folder / (package.sha256 + ".deb")), proxy_(proxy), easy_(curl_easy_init()) {
    if (!easy_) throw cannot_start();
  }

  [[nodiscard]] CURL* handle() const { return easy_.get(); }
  [[nodiscard]] std::uint64_t received() const { return received_; }
  [[nodiscard]] Clock::time_point not_before() const { return not_before_; }

  /// Makes everything ready for one more attempt.
  void prepare() {
    io::remove_tree(path_);
    file_.emplace(io::create_exclusive(path_, 0644));
    hash_ = {};
    received_ = 0;
    failure_ = nullptr;
    ++attempts_;
    curl_easy_reset(easy_.get());
    set_options();
  }

  /// True if the file is there now; false if it is worth another attempt. Throws Error otherwise.
  bool finish(CURLcode result) {
    file_.reset();
    if (failure_) std::rethrow_exception(failure_);
    const std::string trouble = trouble_of(result);
    if (trouble.empty()) {
      require_digest();
      return true;
    }
    if (attempts_ == kAttempts || !may_pass_) {
      throw Error(ExitCode::network, "{}: {}", package_.uri, trouble)
          .set_hint("check the network, and the package sources of the base; try again later");
    }
    not_before_ = Clock::now() + kRetryDelay * (1 << (attempts_ - 1));
    return false;
  }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    const CURLcode result = curl_easy_setopt(easy_.get(), option, value);
    if (result != CURLE_OK) throw Error(ExitCode::host_unfit, "libcurl refuses an option: {}", curl_easy_strerror(result));
  }

  void set_options() {
    set(CURLOPT_URL, package_.uri.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    set(CURLOPT_PROTOCOLS, long{CURLPROTO_HTTP | CURLPROTO_HTTPS});  // all that the libcurl of Ubuntu 22.04 has
    set(CURLOPT_REDIR_PROTOCOLS, long{CURLPROTO_HTTP | CURLPROTO_HTTPS});
#endif
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, kMostRedirects);
    set(CURLOPT_FAILONERROR, 1L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_USERAGENT, "imgbuild/" IMGBUILD_VERSION);
    set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeout_ms);
    set(CURLOPT_LOW_SPEED_LIMIT, kLeastBytesPerSecond);
    set(CURLOPT_LOW_SPEED_TIME, kStall_s);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_bytes);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_PRIVATE, this);
    if (!proxy_.empty()) set(CURLOPT_PROXY, proxy_.c_str());
  }

  /// Runs what may throw, for no exception may pass through libcurl. Another number than 'size' ends the transfer.
  static std::size_t on_bytes(const char* bytes, std::size_t, std::size_t size, void* self) noexcept {
    auto* transfer = static_cast<Transfer*>(self);
    try {
      transfer->take({bytes, size});
      return size;
    } catch (...) {
      transfer->failure_ = std::current_exception();
      return 0;
    }
  }

  void take(std::string_view bytes) {
    received_ += bytes.size();
    if (received_ > package_.size) {
      throw Error(ExitCode::verification_failed, "{}: is longer than the {} bytes it should have", package_.uri, package_.size);
    }
    hash_.update(bytes);
    io::write_all(*file_, bytes);
  }

  /// What went wrong, empty if nothing did; notes whether it may pass.
  std::string trouble_of(CURLcode result) {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    may_pass_ = true;
    if (result == CURLE_OK && received_ == package_.size) return "";
    if (result == CURLE_OK || result == CURLE_PARTIAL_FILE) return fmt::format("ended after {} of {} bytes", received_, package_.size);
    if (result != CURLE_HTTP_RETURNED_ERROR) return curl_easy_strerror(result);
    may_pass_ = status == 408 || status == 429 || status / 100 == 5;
    return fmt::format("the server answers with status {}", status);
  }

  void require_digest() {
    const std::string digest = hash_.hex();
    if (digest == package_.sha256) return;
    throw Error(ExitCode::verification_failed, "{}: has SHA-256 {}, expected {}", package_.uri, digest, package_.sha256);
  }

  const LockedPackage& package_;
  fs::path path_;
  const std::string& proxy_;
  EasyHandle easy_;
  std::optional<io::File> file_;
  Sha256 hash_;
  std::uint64_t received_ = 0;
  std::exception_ptr failure_;
  int attempts_ = 0;
  bool may_pass_ = true;
  Clock::time_point not_before_{};
};

/// Keeps kAtOnce transfers running until none is left.
class Downloads {
 public:
  Downloads(const PackageLock& packages, const fs::path& folder, const std::string& proxy) : multi_(curl_multi_init()) {
    if (!multi_) throw cannot_start();
    std::vector<const LockedPackage*> order;
    for (const LockedPackage& package : packages) order.push_back(&package);
    // The long ones first, so that none of them is left over at the end with nothing beside it.
    std::ranges::stable_sort(order, [](const auto* one, const auto* other) { return one->size > other->size; });
    for (const LockedPackage* package : order) waiting_.push_back(std::make_unique<Transfer>(*package, folder, proxy));
  }

  ~Downloads() {
    for (const auto& transfer : running_) (void)curl_multi_remove_handle(multi_.get(), transfer->handle());
  }
  Downloads(const Downloads&) = delete;
  Downloads& operator=(const Downloads&) = delete;

  void run(const std::function<void(std::uint64_t)>& progress) {
    while (!waiting_.empty() || !running_.empty()) {
      check_interrupt();
      start_some();
      int running = 0;
      if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) throw cannot_start();
      take_finished();
      std::uint64_t received = finished_bytes_;
      for (const auto& transfer : running_) received += transfer->received();
      progress(received);
      (void)curl_multi_poll(multi_.get(), nullptr, 0, kPoll_ms, nullptr);  // a failure shows in the next round
    }
  }

 private:
  void start_some() {
    for (auto next = waiting_.begin(); next != waiting_.end() && running_.size() < kAtOnce;) {
      if ((*next)->not_before() > Clock::now()) {
        ++next;
        continue;
      }
      (*next)->prepare();
      if (curl_multi_add_handle(multi_.get(), (*next)->handle()) != CURLM_OK) throw cannot_start();
      running_.push_back(std::move(*next));
      next = waiting_.erase(next);
    }
  }

  void take_finished() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode result = message->data.result;
      const auto place = std::ranges::find_if(running_, [&](const auto& one) { return one->handle() == message->easy_handle; });
      std::unique_ptr<Transfer> transfer = std::move(*place);
      running_.erase(place);
      (void)curl_multi_remove_handle(multi_.get(), transfer->handle());
      if (transfer->finish(result)) {
        finished_bytes_ += transfer->received();
      } else {
        waiting_.push_back(std::move(transfer));
      }
    }
  }

  MultiHandle multi_;
  std::deque<std::unique_ptr<Transfer>> waiting_;
  std::vector<std::unique_ptr<Transfer>> running_;
  std::uint64_t finished_bytes_ = 0;
};

}  // namespace

void download_packages(const PackageLock& packages, const fs::path& folder, const std::string& proxy,
                       const std::function<void(std::uint64_t)>& progress) {
  require_global_init();
  for (const LockedPackage& package : packages) {
    if (package.uri.starts_with("http://") || package.uri.starts_with("https://")) continue;
    throw Error(ExitCode::network, "package file '{}': can't be got from '{}', only from http and https", package.file, package.uri);
  }
  Downloads(packages, folder, proxy).run(progress);
}

}  // namespace imgbuild
