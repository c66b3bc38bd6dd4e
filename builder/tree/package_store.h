#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tree/apt_text.h"

namespace imgbuild {

/// Package files and package lists kept between builds:
///
///   packages/SHA256.deb    verified on each read; a bad one is removed and counts as absent
///   lists/KEY/…            apt's lists for one set of sources, KEY = digest of the sources
///
/// Any number of builds may use it at once: files appear by link and rename only.
class PackageStore {
 public:
  explicit PackageStore(std::filesystem::path folder);

  /// Puts those of 'files' that are here into 'archives'. Returns the ones that are not.
  [[nodiscard]] std::vector<PackageFile> fetch(const std::vector<PackageFile>& files,
                                               const std::filesystem::path& archives) const;
  /// Takes 'files' from 'archives'. Throws Error (verification failed) if one has another digest.
  void store(const std::vector<PackageFile>& files, const std::filesystem::path& archives) const;

  /// Copies the lists for 'key' into 'lists'; none are kept yet: nothing.
  void fetch_lists(const std::string& key, const std::filesystem::path& lists) const;
  void store_lists(const std::string& key, const std::filesystem::path& lists) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace imgbuild
