#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/fetch.h"
#include "unit/base/signing_keys.h"
#include "util/io.h"
#include "util/status.h"

namespace imgbuild {

/// Keeps what people would be told.
class RecordingStatus : public Status {
 public:
  void begin(std::string_view stage) override { stages.emplace_back(stage); }
  void progress(std::uint64_t done, std::uint64_t total, std::string_view) override {
    last_done = done;
    last_total = total;
  }
  void end(std::string_view) override {}
  void note(std::string_view message) override { notes.emplace_back(message); }

  std::vector<std::string> stages;
  std::vector<std::string> notes;
  std::uint64_t last_done = 0;
  std::uint64_t last_total = 0;
};

/// A request that the server saw.
struct Request {
  std::string path;  ///< below the site
  std::string range;
  std::string if_range;
  std::int64_t sent = 0;  ///< bytes of content; -1 for an answer without end
};

struct Published {
  std::string serial = "20260301";
  std::string label = "release";
  std::string content = {};  ///< empty: 200 000 bytes that depend on the serial
};

/// A release site as Ubuntu's, on tests/base_server.py, with a cache of its own. Nothing is signed until
/// sign().
class ReleaseSite {
 public:
  ReleaseSite();

  /// Adds an image with its SHA256SUMS; call sign() after the last.
  void publish(const Published& published = {});
  /// Signs index and checksums as they are now.
  void sign(const Signing& signing = {});
  /// publish() and sign() with the good key.
  void publish_signed(const Published& published = {});
  /// Has the server treat a file as 'how' says (tests/base_server.py).
  void treat(const std::string& path, const std::string& how) const;
  void treat_well(const std::string& path) const;
  [[nodiscard]] std::vector<Request> requests(const std::string& path) const;

  [[nodiscard]] std::string read(const std::string& path) const { return io::read_file(folder_ / path); }
  void write(const std::string& path, const std::string& bytes) const;
  void remove(const std::string& path) const { io::remove_file(folder_ / path); }

  /// Fetches; the digest's owner "SERIAL" or, after a failure, its describe() with the site's URL as "SITE/".
  [[nodiscard]] std::string fetch_serial();
  /// As fetch_serial, and fails the test unless the error has this code and no image or part of one is left.
  [[nodiscard]] std::string refusal(ExitCode code);
  [[nodiscard]] VerifiedDisk fetch_disk() { return fetch(source, options, runner_, status); }
  /// Names in downloads/, sorted, without locks.
  [[nodiscard]] std::vector<std::string> downloads() const;
  [[nodiscard]] std::string shortened(std::string message) const;

  static std::string image(const std::string& serial = "20260301");  ///< path below the site
  static std::string sums(const std::string& serial = "20260301");
  static std::string content(const std::string& serial = "20260301");

  BaseSource source;
  FetchOptions options;
  RecordingStatus status;

 private:
  std::filesystem::path folder_;
  std::string url_;
  std::string versions_;
  std::vector<std::string> serials_;
  io::TemporaryDirectory cache_;
  SystemCommandRunner runner_;
};

/// A site with one good release, whose image the server treats as told.
struct TreatedImage : ReleaseSite {
  explicit TreatedImage(const std::string& how) {
    publish_signed();
    treat(image(), how);
  }
};

inline const std::string kImage = ReleaseSite::image();
inline const std::string kIndexPath = "streams/v1/test.sjson";

}  // namespace imgbuild
