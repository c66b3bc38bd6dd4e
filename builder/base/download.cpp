#include "base/download.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <exception>
#include <new>
#include <utility>

#include "util/curl_handle.h"
#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace {

constexpr int kMostRedirects = 3;
constexpr long kLeastBytesPerSecond = 1024;
constexpr long kConnectTimeout_ms = 30'000;
constexpr int kPoll_ms = 100;  // how soon an interrupt is seen

void require_https(const std::string& url) {
  if (parse_url(url, url).scheme == "https") return;
  throw Error(ExitCode::verification_failed, "{}: is no https address", printable(url));
}

std::string redirect_target(const std::string& from, const std::string& location,
                            BaseSource::OtherHosts other_hosts) {
  const Url source = parse_url(from, from);
  const Url target = parse_url(from, location);
  if (target.scheme != "https") {
    throw Error(ExitCode::verification_failed, "{}: redirects to '{}', which is not https", from,
                printable(location));
  }
  const bool is_same = source.host == target.host && source.port == target.port;
  if (!is_same && other_hosts == BaseSource::OtherHosts::refuse) {
    throw Error(ExitCode::verification_failed, "{}: redirects to the other host '{}'", from,
                printable(target.host));
  }
  return target.whole;
}

Error cannot_start() { return Error(ExitCode::host_unfit, "libcurl can't start"); }

void require_global_init() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);  // once a process, as libcurl demands
  if (result != CURLE_OK) throw cannot_start();
}

/// "Name: value" of a header line as it comes, without the line's end. The name comes back in lower case.
std::pair<std::string, std::string> split_header(std::string_view line) {
  const std::size_t colon = std::min(line.find(':'), line.size());
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(std::min(colon + 1, line.size()));
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = std::min(value.find_first_not_of(kBlank), value.size());
  value.remove_prefix(first);
  value = value.substr(0, value.find_last_not_of(kBlank) + 1);
  return {name, std::string(value)};
}

constexpr std::pair<std::string_view, std::string Head::*> kHeaders[] = {
    {"etag", &Head::etag},
    {"content-range", &Head::content_range},
    {"content-type", &Head::content_type},
    {"content-encoding", &Head::content_encoding},
    {"location", &Head::location},
};

bool is_content(const Head& head) { return head.status == 200 || head.status == 206; }

HeaderList range_headers(const Query& query) {
  HeaderList headers;
  const auto add = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)headers.release();  // now part of the longer one
    headers.reset(longer);
  };
  if (query.offset > 0) add(fmt::format("Range: bytes={}-", query.offset));
  if (query.offset > 0 && !query.etag.empty()) add(fmt::format("If-Range: {}", query.etag));
  return headers;
}

long stall_seconds(const TransferSettings& settings) {
  return std::max<long>(1, static_cast<long>(settings.stall_timeout.count() / 1000));
}

}  // namespace

/// One easy handle in a multi handle, so that the waiting is ours and an interrupt is seen at once.
class HttpsConnection::Handle {
 public:
  explicit Handle(const TransferSettings& settings) : settings_(settings) {
    require_global_init();
    easy_.reset(curl_easy_init());
    multi_.reset(curl_multi_init());
    if (!easy_ || !multi_) throw cannot_start();
  }

  /// One request, redirects not followed.
  Head perform(const std::string& url, const Query& query) {
    require_https(url);
    const HeaderList headers = range_headers(query);
    prepare(url, headers.get());
    query_ = &query;
    received_ = 0;
    failure_ = nullptr;
    head_ = {};
    is_head_seen_ = false;
    const CURLcode result = wait();
    if (failure_) std::rethrow_exception(failure_);
    const bool was_dropped = is_head_seen_ && !is_content(head_);  // we ended it ourselves
    if (result != CURLE_OK && !was_dropped) throw_failure(result, url);
    see_head();
    return head_;
  }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    const CURLcode result = curl_easy_setopt(easy_.get(), option, value);
    if (result != CURLE_OK)
      throw Error(ExitCode::host_unfit, "libcurl refuses an option: {}", curl_easy_strerror(result));
  }

  void restrict_to_https() {
#if LIBCURL_VERSION_NUM >= 0x075500
    set(CURLOPT_PROTOCOLS_STR, "https");
#else
    set(CURLOPT_PROTOCOLS, long{CURLPROTO_HTTPS});  // all that the libcurl of Ubuntu 22.04 has
#endif
  }

  void prepare(const std::string& url, const curl_slist* headers) {
    curl_easy_reset(easy_.get());
    error_text_ = {};
    set(CURLOPT_URL, url.c_str());
    restrict_to_https();
    set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_USERAGENT, "imgbuild/" IMGBUILD_VERSION);
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_CONNECTTIMEOUT_MS, std::min(kConnectTimeout_ms, 1000 * stall_seconds(settings_)));
    set(CURLOPT_LOW_SPEED_LIMIT, kLeastBytesPerSecond);
    set(CURLOPT_LOW_SPEED_TIME, stall_seconds(settings_));
    set(CURLOPT_ERRORBUFFER, error_text_.data());
    set(CURLOPT_HEADERFUNCTION, &Handle::on_header_line);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Handle::on_content);
    set(CURLOPT_WRITEDATA, this);
    if (!settings_.ca_file.empty()) set(CURLOPT_CAINFO, settings_.ca_file.c_str());
    if (!settings_.proxy.empty()) set(CURLOPT_PROXY, settings_.proxy.c_str());
  }

  CURLcode wait() {
    if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) throw cannot_start();
    const auto remove = [this](CURL* easy) { (void)curl_multi_remove_handle(multi_.get(), easy); };
    const std::unique_ptr<CURL, decltype(remove)> added(easy_.get(), remove);
    for (;;) {
      check_interrupt();
      int running = 0;
      if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) return CURLE_RECV_ERROR;
      int left = 0;
      const CURLMsg* message = curl_multi_info_read(multi_.get(), &left);
      if (message != nullptr && message->msg == CURLMSG_DONE) return message->data.result;
      (void)curl_multi_poll(multi_.get(), nullptr, 0, kPoll_ms,
                            nullptr);  // a failure shows in the next round
    }
  }

  /// Hands the head of content on, once.
  void see_head() {
    if (std::exchange(is_head_seen_, true)) return;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &head_.status);
    curl_off_t length = -1;
    curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length >= 0) head_.length = static_cast<std::uint64_t>(length);
    if (is_content(head_)) query_->on_head(head_);
  }

  void receive(std::string_view bytes) {
    see_head();
    if (!is_content(head_)) return;
    received_ += bytes.size();
    query_->on_bytes(bytes);
  }

  void note_header(std::string_view line) {
    if (line.starts_with("HTTP/")) head_ = {};  // an interim answer came before
    const auto [name, value] = split_header(line);
    for (const auto& [known, member] : kHeaders) {
      if (name == known) head_.*member = value;
    }
  }

  /// Runs what libcurl calls, for no exception may pass through it. Returning another number than 'size' ends
  /// the transfer.
  template <typename Work>
  std::size_t guard(std::size_t size, Work work) noexcept {
    try {
      work();
    } catch (...) {
      failure_ = std::current_exception();
      return 0;
    }
    return size;
  }

  static std::size_t on_header_line(const char* bytes, std::size_t, std::size_t size, void* self) {
    auto* handle = static_cast<Handle*>(self);
    return handle->guard(size, [&] { handle->note_header({bytes, size}); });
  }

  static std::size_t on_content(const char* bytes, std::size_t, std::size_t size, void* self) {
    auto* handle = static_cast<Handle*>(self);
    const std::size_t taken = handle->guard(size, [&] { handle->receive({bytes, size}); });
    return is_content(handle->head_) ? taken : 0;  // pages that explain an error are not read
  }

  [[noreturn]] void throw_failure(CURLcode result, const std::string& url) const {
    switch (result) {
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CACERT_BADFILE:
        throw Error(ExitCode::verification_failed, "{}: the server is not trusted: {}", url,
                    printable(error_text_.data()))
            .set_hint("for a mirror or proxy with a certificate of your own set IMGBUILD_CA_FILE");
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
        throw Transient{fmt::format("{}: the host's name can't be resolved", url)};
      case CURLE_COULDNT_CONNECT:
        throw Transient{fmt::format("{}: no connection to the server", url)};
      case CURLE_OPERATION_TIMEDOUT:
        throw Transient{fmt::format("{}: less than 1 KiB/s for {} s", url, stall_seconds(settings_))};
      case CURLE_PARTIAL_FILE:
      case CURLE_RECV_ERROR:
      case CURLE_GOT_NOTHING:
        throw Transient{fmt::format("{}: the connection broke after {} bytes", url, received_)};
      default:
        throw Transient{fmt::format("{}: {}", url, curl_easy_strerror(result))};
    }
  }

  const TransferSettings& settings_;
  MultiHandle multi_;
  EasyHandle easy_;
  std::array<char, CURL_ERROR_SIZE> error_text_ = {};
  const Query* query_ = nullptr;
  std::uint64_t received_ = 0;
  std::exception_ptr failure_;
  Head head_;
  bool is_head_seen_ = false;
};

HttpsConnection::HttpsConnection(const TransferSettings& settings)
    : settings_(settings), handle_(std::make_unique<Handle>(settings)) {}
HttpsConnection::~HttpsConnection() = default;

Head HttpsConnection::request(const std::string& url, const Query& query) {
  std::string at = url;
  for (int hops = 0; hops <= kMostRedirects; ++hops) {
    const Head head = handle_->perform(at, query);
    if (head.status / 100 != 3 || head.location.empty()) return head;
    at = redirect_target(at, head.location, settings_.other_hosts);
  }
  throw Error(ExitCode::verification_failed, "{}: redirects more than {} times", url, kMostRedirects);
}

std::string printable(std::string_view text) {
  std::string safe(text.substr(0, 200));
  std::replace_if(
      safe.begin(), safe.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return safe;
}

}  // namespace imgbuild
