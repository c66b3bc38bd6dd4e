#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tree/package_lock.h"
#include "util/status.h"

namespace imgbuild {

/// A package file as apt finds it.
struct PackageArchive {
  std::filesystem::path path;
  std::uint64_t size = 0;  ///< bytes
  std::string sha256;
};

/// Package files and package lists kept between builds:
///
///   packages/SHA256.deb    verified on each read; a bad one counts as absent, and is replaced
///   opened/SHA256-OPENED.deb   the same without its compression, which is most of the work of unpacking; OPENED = its own SHA-256
///   packages/.lock         held while files are downloaded, so that two builds do not download the same
///   lists/KEY/…            apt's lists for one set of sources, KEY = digest of the sources
///
/// Any number of builds may use it at once: files appear by link and rename only.
class PackageStore {
 public:
  /// Makes nothing: folders appear with what is put into them.
  explicit PackageStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] PackageLock missing(const PackageLock& lock) const;
  /// Downloads those that are missing; waits for another build that does. 'status' hears the progress.
  void download(const PackageLock& lock, const std::string& proxy, Status& status) const;
  /// Gives the files, opened, their names of the lock in 'archives', and returns what they are there, in the order of the lock.
  /// Throws Error (verification failed) if one is missing.
  [[nodiscard]] std::vector<PackageArchive> provide(const PackageLock& lock, const std::filesystem::path& archives) const;

  /// Takes a file that has this digest, by its name.
  void keep(const std::string& sha256, const std::filesystem::path& file) const;
  [[nodiscard]] std::filesystem::path path_of(const LockedPackage& package) const { return packages() / (package.sha256 + ".deb"); }

  /// Copies the lists for 'key' into 'lists'; none are kept yet: nothing.
  void fetch_lists(const std::string& key, const std::filesystem::path& lists) const;
  void store_lists(const std::string& key, const std::filesystem::path& lists) const;

 private:
  [[nodiscard]] std::filesystem::path packages() const { return folder_ / "packages"; }
  [[nodiscard]] std::filesystem::path opened() const { return folder_ / "opened"; }
  /// The opened file, made if there is none that is intact. 'known': opened() by the first part of their names.
  [[nodiscard]] PackageArchive open(const LockedPackage& package, const std::map<std::string, std::filesystem::path>& known,
                                    const std::filesystem::path& work) const;
  /// True if the file is there with its digest.
  [[nodiscard]] bool has(const LockedPackage& package) const;

  std::filesystem::path folder_;
};

}  // namespace imgbuild
