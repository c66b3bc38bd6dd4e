#pragma once

#include <filesystem>
#include <string>

#include "tree/package_lock.h"
#include "util/status.h"

namespace imgbuild {

/// Package files and package lists kept between builds:
///
///   packages/SHA256.deb    verified on each read; a bad one counts as absent, and is replaced
///   packages/.lock         held while files are downloaded, so that two builds do not download the same
///   lists/KEY/…            apt's lists for one set of sources, KEY = digest of the sources
///
/// Any number of builds may use it at once: files appear by link and rename only.
class PackageStore {
 public:
  explicit PackageStore(std::filesystem::path folder);

  [[nodiscard]] PackageLock missing(const PackageLock& lock) const;
  /// Downloads those that are missing; waits for another build that does. 'status' hears the progress.
  void download(const PackageLock& lock, const std::string& proxy, Status& status) const;
  /// Gives the files their names of the lock in 'archives'. Throws Error (verification failed) if one is missing.
  void provide(const PackageLock& lock, const std::filesystem::path& archives) const;

  /// Copies the lists for 'key' into 'lists'; none are kept yet: nothing.
  void fetch_lists(const std::string& key, const std::filesystem::path& lists) const;
  void store_lists(const std::string& key, const std::filesystem::path& lists) const;

 private:
  [[nodiscard]] std::filesystem::path packages() const { return folder_ / "packages"; }
  [[nodiscard]] std::filesystem::path path_of(const LockedPackage& package) const { return packages() / (package.sha256 + ".deb"); }
  /// True if the file is there with its digest.
  [[nodiscard]] bool has(const LockedPackage& package) const;

  std::filesystem::path folder_;
};

}  // namespace imgbuild
