#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "util/secret.h"
#include "util/size.h"

namespace imgbuild {

/// A file in the root folder of an ISO 9660 image.
struct IsoFile {
  std::string name;  ///< [a-z0-9_.-], at most 64 characters
  Secret content;
};

/// What is in an image.
struct IsoContent {
  std::string volume_id;  ///< without the padding
  std::vector<IsoFile> files;  ///< sorted by name
};

/// An ISO 9660 image with Joliet and Rock Ridge names. The same content gives the same bytes, whatever the time, zone and
/// order of the files. libarchive never sees the contents (it keeps them in temporary files): it lays out blank ones, and
/// they are filled in here. Throws Error on bad or repeated names.
[[nodiscard]] Secret make_iso_image(const IsoContent& content);

/// Reads an image of files in its root folder. Throws Error (bad input) "PATH: …" if it is no ISO 9660 image, is longer
/// than 'limit' or holds anything else.
[[nodiscard]] IsoContent read_iso_image(const std::filesystem::path& path, ByteSize limit = 64_MiB);

}  // namespace imgbuild
