#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "build/manifest.h"

namespace imgbuild {

/// What a catalog says of its boxes beside their digests.
struct BoxCatalog {
  std::string deployment;
  std::string description;     ///< of the role
  std::filesystem::path folder;  ///< of the boxes
};

/// Writes ROLE.box.json for `vagrant box add FILE` beside the Vagrant boxes of the manifest, and returns its path; nothing if it
/// has no box. The box is DEPLOYMENT/ROLE. Its version is one higher than that of the catalog that is there, 1.0.0 if there is
/// none; while the boxes are the same, so is the version. Vagrant takes relative addresses for ones below its current folder, so
/// they are file URLs.
std::optional<std::filesystem::path> write_box_catalog(const BoxCatalog& catalog, const Manifest& manifest);

}  // namespace imgbuild
