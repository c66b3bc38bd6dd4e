#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "build/manifest.h"
#include "inspect/compare.h"
#include "inspect/open_disk.h"

namespace imgbuild {

/// A manifest with the folder that its files are in.
struct GivenManifest {
  std::filesystem::path path;
  Manifest manifest;
};

/// Throws Error (bad input) if there is none at 'path', or it is none.
[[nodiscard]] GivenManifest read_manifest(const std::filesystem::path& path);

/// The one manifest beside 'image' that names it. Throws Error (bad input) if there is none.
[[nodiscard]] GivenManifest manifest_beside(const std::filesystem::path& image);

/// What a disk was found to be.
struct Verification {
  std::vector<Difference> differences;  ///< those outside of files first
  std::vector<std::string> excepted;    ///< paths that differ as machines that ran may make them
  std::size_t compared = 0;             ///< files, folders and links that are in the manifest's list and on the disk
};

/// Reads the whole disk from outside, in the appliance, and compares it with the manifest and its list of files. It may be an image
/// of any format that imgbuild writes; of a tar archive of the tree only the files are compared. Throws Error (bad
/// input) for what is no disk or may not be opened, (verification failed) for a list that is not the manifest's.
[[nodiscard]] Verification verify_disk(const std::filesystem::path& disk, const GivenManifest& given, Booted booted, const DiskReading& reading,
                                       CommandRunner& runner, Status& status);

/// The files that the manifest names and that are not there, or have another digest.
[[nodiscard]] std::vector<Difference> verify_files(const GivenManifest& given);

}  // namespace imgbuild
