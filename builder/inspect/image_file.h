#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "util/io.h"

namespace imgbuild {

/// The disk in an image of any format that imgbuild writes. What is wrapped (raw.zst, ova, Vagrant boxes) is unwrapped into a
/// temporary file, which goes with this object; a disk, or a tar archive of the tree, is used where it is.
class ImageFile {
 public:
  /// Throws Error (bad input) if it is no file, or an archive without a disk; Interrupted.
  ImageFile(const std::filesystem::path& image, const std::filesystem::path& work);

  enum class Kind {
    disk,
    tree,  ///< a tar archive of the root tree; there is no disk
  };
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  Kind kind_ = Kind::disk;
  std::filesystem::path path_;
  std::optional<io::TemporaryDirectory> unwrapped_;
};

}  // namespace imgbuild
