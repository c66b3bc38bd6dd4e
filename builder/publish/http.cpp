#include "publish/http.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "util/curl_handle.h"
#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr long kConnectTimeout_ms = 3'000;
constexpr long kUploadBuffer = 512 << 10;  // a block in one piece
constexpr long kMostConnections = 96;
constexpr std::size_t kMostAnswer = 16 << 20;
constexpr int kPoll_ms = 100;  // how soon an interrupt is seen

bool is_here(const std::string& host) {
  return host == "localhost" || host.starts_with("127.") || host == "[::1]" || host == "169.254.169.254" || host == "[fd00:ec2::254]";
}

/// Returns the host.
std::string require_speakable(const std::string& text) {
  const Url url = parse_url(text, text);
  if (url.scheme == "https" || (url.scheme == "http" && is_here(url.host))) return url.host;
  throw Error(ExitCode::bad_input, "{}: is neither an https address nor one of this machine", text);
}

/// Empty: those of the system.
std::string certificates_file() {
  const char* path = std::getenv("AWS_CA_BUNDLE");
  if (path == nullptr || *path == '\0') return "";
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw Error(ExitCode::bad_input, "AWS_CA_BUNDLE: '{}' is no file", path);
  return path;
}

/// One request on its way.
struct Transfer {
  EasyHandle easy;
  HttpRequest request;
  HttpEngine::Done done;
  HeaderList headers;
  HttpAnswer answer;
  Clock::time_point started;
};

void note_header(Transfer& transfer, std::string_view line) {
  if (line.starts_with("HTTP/")) transfer.answer.headers.clear();  // an interim answer came before
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(colon + 1);
  const std::size_t first = std::min(value.find_first_not_of(" \t\r\n"), value.size());
  value.remove_prefix(first);
  transfer.answer.headers[name] = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
}

std::size_t on_header(const char* bytes, std::size_t, std::size_t size, void* transfer) noexcept {
  note_header(*static_cast<Transfer*>(transfer), {bytes, size});
  return size;
}

std::size_t on_content(const char* bytes, std::size_t, std::size_t size, void* transfer) noexcept {
  std::string& body = static_cast<Transfer*>(transfer)->answer.body;
  if (body.size() + size > kMostAnswer) return 0;  // ends the transfer
  body.append(bytes, size);
  return size;
}

}  // namespace

class HttpEngine::Transfers {
 public:
  Transfers() {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);  // once a process, as libcurl demands
    multi_.reset(curl_multi_init());
    if (ready != CURLE_OK || !multi_) throw Error(ExitCode::host_unfit, "libcurl can't start");
    (void)curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kMostConnections);
  }
  ~Transfers() {
    for (const auto& [easy, transfer] : running_) (void)curl_multi_remove_handle(multi_.get(), easy);
  }

  void start(HttpRequest request, Done done) {
    const bool without_proxy = is_here(require_speakable(request.url));
    auto transfer = std::make_unique<Transfer>();
    transfer->easy = take_handle();
    transfer->request = std::move(request);
    transfer->done = std::move(done);
    transfer->started = Clock::now();
    prepare(*transfer);
    if (!certificates_.empty()) set(*transfer, CURLOPT_CAINFO, certificates_.c_str());
    if (without_proxy) set(*transfer, CURLOPT_PROXY, "");
    CURL* easy = transfer->easy.get();
    if (curl_multi_add_handle(multi_.get(), easy) != CURLM_OK) throw Error(ExitCode::host_unfit, "libcurl can't start a request");
    running_.emplace(easy, std::move(transfer));
  }

  void turn(milliseconds most) {
    check_interrupt();
    int count = 0;
    if (curl_multi_perform(multi_.get(), &count) != CURLM_OK) throw Error(ExitCode::network, "libcurl can't go on");
    if (end_those_done() > 0) return;
    const int wait = std::min(kPoll_ms, static_cast<int>(most.count()));
    if (wait > 0) (void)curl_multi_poll(multi_.get(), nullptr, 0, wait, nullptr);  // a failure shows in the next round
  }

  [[nodiscard]] std::size_t running() const { return running_.size(); }

 private:
  EasyHandle take_handle() {
    if (spare_.empty()) return EasyHandle(curl_easy_init());
    EasyHandle easy = std::move(spare_.back());
    spare_.pop_back();
    curl_easy_reset(easy.get());
    return easy;
  }

  template <typename Value>
  static void set(Transfer& transfer, CURLoption option, Value value) {
    const CURLcode result = curl_easy_setopt(transfer.easy.get(), option, value);
    if (result != CURLE_OK) throw Error(ExitCode::host_unfit, "libcurl refuses an option: {}", curl_easy_strerror(result));
  }

  static void add_header(Transfer& transfer, const std::string& line) {
    curl_slist* longer = curl_slist_append(transfer.headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)transfer.headers.release();  // now part of the longer one
    transfer.headers.reset(longer);
  }

  static void prepare(Transfer& transfer) {
    const HttpRequest& request = transfer.request;
    for (const auto& [name, value] : request.headers) {
      if (name != "host") add_header(transfer, value.empty() ? name + ";" : name + ": " + value);
    }
    const auto is_type = [](const HttpHeader& header) { return header.first == "content-type"; };
    if (std::ranges::none_of(request.headers, is_type)) add_header(transfer, "Content-Type:");
    for (const char* line : {"Expect:", "Accept:"}) add_header(transfer, line);
    set(transfer, CURLOPT_URL, request.url.c_str());
    set(transfer, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
    set(transfer, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    set(transfer, CURLOPT_NOSIGNAL, 1L);
    set(transfer, CURLOPT_PATH_AS_IS, 1L);
    set(transfer, CURLOPT_USERAGENT, "imgbuild/" IMGBUILD_VERSION);
    set(transfer, CURLOPT_HTTPHEADER, transfer.headers.get());
    set(transfer, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeout_ms);
    set(transfer, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(transfer, CURLOPT_LOW_SPEED_TIME, static_cast<long>(std::chrono::ceil<std::chrono::seconds>(request.patience).count()));
    set(transfer, CURLOPT_TCP_KEEPALIVE, 1L);  // what is silent for minutes is forgotten by routers
    set(transfer, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    set(transfer, CURLOPT_HEADERFUNCTION, &on_header);
    set(transfer, CURLOPT_HEADERDATA, &transfer);
    set(transfer, CURLOPT_WRITEFUNCTION, &on_content);
    set(transfer, CURLOPT_WRITEDATA, &transfer);
    set(transfer, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (request.method != "GET" && request.method != "DELETE") prepare_body(transfer);
  }

  static void prepare_body(Transfer& transfer) {
    set(transfer, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBuffer);
    set(transfer, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(transfer.request.body.size()));
    set(transfer, CURLOPT_POSTFIELDS, transfer.request.body.data());
  }

  std::size_t end_those_done() {
    std::size_t ended = 0;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      end(message->easy_handle, message->data.result);
      ++ended;
    }
    return ended;
  }

  void end(CURL* easy, CURLcode result) {
    const std::unique_ptr<Transfer> transfer = std::move(running_.at(easy));
    running_.erase(easy);
    (void)curl_multi_remove_handle(multi_.get(), easy);
    HttpAnswer& answer = transfer->answer;
    answer.took = std::chrono::duration_cast<milliseconds>(Clock::now() - transfer->started);
    if (result == CURLE_OK) {
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
    } else {
      answer.failure = curl_easy_strerror(result);
    }
    spare_.push_back(std::move(transfer->easy));
    transfer->done(answer);
  }

  std::string certificates_ = certificates_file();
  MultiHandle multi_;
  std::map<CURL*, std::unique_ptr<Transfer>> running_;
  std::vector<EasyHandle> spare_;
};

HttpEngine::HttpEngine() : transfers_(std::make_unique<Transfers>()) {}
HttpEngine::~HttpEngine() = default;
void HttpEngine::start(HttpRequest request, Done done) { transfers_->start(std::move(request), std::move(done)); }
void HttpEngine::turn(milliseconds most) { transfers_->turn(most); }
std::size_t HttpEngine::running() const { return transfers_->running(); }

HttpAnswer request(HttpEngine& engine, HttpRequest request) {
  HttpAnswer answer;
  bool is_done = false;
  engine.start(std::move(request), [&](const HttpAnswer& given) {
    answer = given;
    is_done = true;
  });
  while (!is_done) engine.turn(milliseconds(kPoll_ms));
  return answer;
}

}  // namespace imgbuild
