#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "util/io.h"

namespace imgbuild {

/// A download that may go on later: "NAME.part" with what came so far, and "NAME.part.etag" with the
/// validator that the server gave for it. Nothing in it is believed before the whole has its digest.
class PartialFile {
 public:
  /// Opens what an earlier run left, or makes it (0600). What is no regular file of ours is removed first.
  explicit PartialFile(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return file_->path(); }
  [[nodiscard]] const io::File& file() const { return *file_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Empty if none is known.
  [[nodiscard]] const std::string& etag() const { return etag_; }

  void append(std::string_view bytes);
  /// Empties the file; what comes next belongs to the validator 'etag' (may be empty).
  void restart(const std::string& etag);
  /// SHA-256 of the whole, read back through the descriptor that publish() renames.
  [[nodiscard]] std::string sha256() const;
  /// Syncs, makes it 0400 and renames it; the descriptor stays on the very file that was checked.
  [[nodiscard]] io::File publish(const std::filesystem::path& target) &&;
  /// Removes both files.
  void discard();

 private:
  [[nodiscard]] std::filesystem::path etag_path() const;

  std::optional<io::File> file_;
  std::uint64_t size_ = 0;
  std::string etag_;
};

/// SHA-256 of a whole open file, wherever it stands. Throws Error; Interrupted.
[[nodiscard]] std::string sha256_of(const io::File& file);

}  // namespace imgbuild
