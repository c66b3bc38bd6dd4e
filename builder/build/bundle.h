#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "build/cache.h"
#include "build/lock_file.h"
#include "build/plan.h"
#include "recipe/project.h"
#include "util/archive_members.h"
#include "util/status.h"

namespace imgbuild {

/// A bundle is everything that building a deployment's images needs besides the environment file, in one archive, for a machine
/// without a network. The same inputs give the same bytes. It holds no environment file, no vault and no seed: no secret.
///
///   bundle.json                      comes first: what follows, in this order, each with its size and SHA-256
///   project/…                        lock file, recipes, overlays, scripts, payloads, seed templates: as they lie in the project
///   bases/NAME-KEY/{base.json,boot.raw,tree.tar}
///   packages/SHA256.deb

/// A member, and what it must be.
struct BundleMember {
  ArchiveMember member;
  std::string sha256;  ///< of a file's content
};

struct BundleList {
  std::string deployment;
  std::vector<BundleMember> members;
};

inline constexpr const char* kBundleList = "bundle.json";

[[nodiscard]] std::string to_json(const BundleList& list);
/// Throws Error (verification failed), beginning with 'origin', if it is damaged, or holds a path that no bundle has.
[[nodiscard]] BundleList bundle_list_from_json(const std::string& text, const std::string& origin);

/// What came of writing a bundle.
struct WrittenBundle {
  std::string sha256;
  std::size_t packages = 0;
  std::uint64_t size = 0;  ///< bytes
};

/// Writes the bundle of the plans, which are of one environment. Package files that the cache lacks are downloaded. Throws Error:
/// bad input (no lock, or one that does not fit; a payload outside of the project), verification failed, network.
WrittenBundle write_bundle(const Project& project, const std::vector<Plan>& plans, const std::filesystem::path& file,
                           const Cache& cache, const std::string& proxy, Status& status);

/// What came of importing one.
struct ImportedBundle {
  std::string deployment;
  std::vector<std::string> bases;
  std::size_t packages = 0;
};

/// Puts bases and packages into the cache once all of the bundle has been checked; with 'project' its project files become that
/// folder, which must not exist. 'sha256', if given, is that of the bundle. Throws Error: verification failed, bad input.
ImportedBundle import_bundle(const std::filesystem::path& file, const std::optional<std::string>& sha256,
                             const std::optional<std::filesystem::path>& project, const Cache& cache, Status& status);

}  // namespace imgbuild
