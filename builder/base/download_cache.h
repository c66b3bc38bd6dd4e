#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "util/io.h"
#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

/// What is known of an image that was verified, so that it can be used without a network.
struct VerifiedImage {
  std::string serial;
  std::string sha256;
  ByteSize size;
  std::string url;
  std::string signer;  ///< fingerprint; empty where a digest was pinned
  std::int64_t statement_time =
      0;  ///< when the publisher signed the index (Unix time); 0 where a digest was pinned
  bool operator==(const VerifiedImage&) const = default;
};

/// What is remembered of a base between runs.
struct BaseRecord {
  std::string highest_serial;  ///< highest that the publisher ever signed and we saw; empty: none
  std::optional<VerifiedImage> image;
  bool operator==(const BaseRecord&) const = default;
};

/// The part of the cache that belongs to one published base, locked while this lives:
///
///     downloads/SHA256                verified images, 0400
///     downloads/NAME.json             BaseRecord
///     downloads/NAME-SHA256.part      what came of an image so far; NAME-SHA256.part.etag beside it
///     downloads/NAME.lock
class DownloadCache {
 public:
  /// Waits for another process that works on the same base; tells 'status' so. Throws Interrupted.
  DownloadCache(const std::filesystem::path& cache, const std::string& name, Status& status);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// Throws Error if the record can't be read: without it nothing would notice an old index.
  [[nodiscard]] BaseRecord read_record() const;
  void write_record(const BaseRecord& record) const;

  /// The image open for reading, its digest just checked through that very descriptor. One that is damaged is
  /// removed and counts as absent.
  [[nodiscard]] std::shared_ptr<const io::File> find(const std::string& sha256, Status& status) const;
  [[nodiscard]] std::filesystem::path image_path(const std::string& sha256) const { return folder_ / sha256; }
  /// Where to download to; what is left of other images of this base is removed.
  [[nodiscard]] std::filesystem::path prepare_part(const std::string& sha256) const;

 private:
  std::filesystem::path folder_;
  std::string name_;
  std::optional<io::FileLock> lock_;
};

}  // namespace imgbuild
