#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/source.h"

namespace imgbuild {

/// How to talk to servers. Only https with TLS 1.2 or newer is spoken, redirects included; nothing is
/// decompressed.
struct TransferSettings {
  std::filesystem::path ca_file;  ///< empty: the host's certificates
  std::string proxy;              ///< empty: as https_proxy and no_proxy say
  std::chrono::milliseconds stall_timeout{
      60'000};  ///< below 1 KiB/s for so long means broken; whole seconds, at least 1
  std::chrono::milliseconds retry_delay{1'000};  ///< before the first retry; doubled for each further one
  BaseSource::OtherHosts other_hosts = BaseSource::OtherHosts::refuse;
};

/// What a server says before the content.
struct Head {
  long status = 0;
  std::optional<std::uint64_t> length;  ///< none: not announced
  std::string etag, content_range, content_type, content_encoding;
  std::string location;  ///< of a redirect, as sent
};

/// What to ask for and who takes the answer. The functions may throw, which ends the request.
struct Query {
  std::uint64_t offset = 0;  ///< ask for the rest from here, if 'etag' (may be empty) is still right
  std::string etag = {};
  std::function<void(const Head&)> on_head = {};        ///< once, for an answer with status 200 or 206
  std::function<void(std::string_view)> on_bytes = {};  ///< the content, after on_head
};

/// A failure that may pass: no connection, a stall, an early end.
struct Transient {
  std::string message;  ///< begins with the URL
};

/// Makes requests one at a time and keeps its connections for the next.
class HttpsConnection {
 public:
  explicit HttpsConnection(const TransferSettings& settings);
  ~HttpsConnection();
  HttpsConnection(const HttpsConnection&) = delete;
  HttpsConnection& operator=(const HttpsConnection&) = delete;

  /// Follows at most three redirects, which must lead to https and, as settings say, to the same host and
  /// port. Returns the head of the last answer, of any other status too, whose content is then not read.
  /// Throws Transient; Error (verification failed) for a forbidden redirect or a certificate that is not
  /// trusted; Interrupted within a tenth of a second; what the query's functions throw.
  Head request(const std::string& url, const Query& query);

 private:
  class Handle;
  const TransferSettings& settings_;
  std::unique_ptr<Handle> handle_;
};

/// Server texts go to terminals: the first 200 characters, what is not printable ASCII as '?'.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace imgbuild
