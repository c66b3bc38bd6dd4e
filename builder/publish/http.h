#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "publish/signature.h"

namespace imgbuild {

struct HttpRequest {
  std::string method;
  std::string url;
  std::vector<HttpHeader> headers;
  std::string body;
  std::chrono::milliseconds timeout{20'000};  ///< from the start of the request to the end of its answer
  std::chrono::milliseconds patience{12'000}; ///< after so long without one byte it is given up; ended the hangs that others had
};

struct HttpAnswer {
  long status = 0;                             ///< 0: there was no answer
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;                            ///< at most 16 MiB
  std::string failure;                         ///< why there was none, in libcurl's words
  std::chrono::milliseconds took{0};
};

/// Makes many requests at once in the caller's thread; connections are kept for later ones. Follows no redirect. Plain http is
/// spoken with this machine (loopback) and 169.254.169.254 only, for requests may carry session tokens. The certificates of others
/// are judged by those of the system, or of the file that AWS_CA_BUNDLE names.
class HttpEngine {
 public:
  HttpEngine();  ///< throws Error (bad input) if AWS_CA_BUNDLE names no file
  ~HttpEngine();
  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;

  using Done = std::function<void(const HttpAnswer&)>;
  /// 'done' is called from turn(), and may start further ones. Throws Error (bad input) for a URL that must not be spoken to.
  void start(HttpRequest request, Done done);
  /// Moves bytes and ends requests that are done; waits at most so long for something to do. Throws Interrupted, and what a 'done' throws.
  void turn(std::chrono::milliseconds most);
  [[nodiscard]] std::size_t running() const;

 private:
  class Transfers;
  std::unique_ptr<Transfers> transfers_;
};

/// One request, waited for.
[[nodiscard]] HttpAnswer request(HttpEngine& engine, HttpRequest request);

}  // namespace imgbuild
