#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/session.h"
#include "publish/ami.h"
#include "publish/block_map.h"
#include "publish/image_disk.h"

namespace imgbuild {

/// What is asked to be uploaded.
struct ImageRequest {
  std::string target;  ///< an image's path, or a role with 'environment'
  std::filesystem::path environment;
  std::filesystem::path output_root;
  std::string name;    ///< empty: the role, or the file's name
};

/// A file to upload, and what it is.
struct UploadImage {
  std::filesystem::path file;
  AmiIdentity identity;  ///< the disk's digest comes later
};

/// By the role's manifest, or by that beside the file. Throws Error (bad input) if there is none of the role, or for a name that AWS
/// does not take.
[[nodiscard]] UploadImage find_image(const ImageRequest& request);

/// The image's disk, unpacked and scanned once for all regions.
class LazyDisk {
 public:
  LazyDisk(Session& session, UploadImage& image) : session_(session), image_(image) {}

  /// Throws Error (verification failed) for a file that is not that of its manifest.
  ImageDisk& disk();
  [[nodiscard]] const BlockMap& map() const { return map_; }

 private:
  void require_intact() const;

  Session& session_;
  UploadImage& image_;
  std::optional<ImageDisk> disk_;
  BlockMap map_;
};

}  // namespace imgbuild
