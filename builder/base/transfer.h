#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/download.h"
#include "base/partial_file.h"
#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

/// What is known beforehand of a file's length.
struct ExpectedSize {
  ByteSize most;                                   ///< more is refused as soon as it shows
  enum class Exact { no, yes } exact = Exact::no;  ///< less, and any other announced length, is refused too
};

/// Gets whole files. What may pass (no connection, a stall, an early end, status 429 or 5xx) is tried four
/// times in all; everything else ends at once. Throws Error that begins with the URL: network, or
/// verification failed for what must not be accepted; Interrupted within a tenth of a second.
class Downloader {
 public:
  Downloader(const TransferSettings& settings, Status& status)
      : settings_(settings), status_(status), connection_(settings_) {}

  /// The content, or nothing if the server says that there is no such file (status 404 or 410).
  [[nodiscard]] std::optional<std::string> get_text(const std::string& url, ByteSize limit);

  /// Completes 'file', going on where it ends if the server can. Reports progress in bytes. After a failure
  /// of the network the file keeps what came, for the next time; its content is still to be verified.
  void get_file(const std::string& url, PartialFile& file, const ExpectedSize& expected);

 private:
  void retry(const std::function<void()>& attempt);

  TransferSettings settings_;
  Status& status_;
  HttpsConnection connection_;
};

}  // namespace imgbuild
