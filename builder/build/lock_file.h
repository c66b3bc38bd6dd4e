#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tree/package_lock.h"
#include "util/problems.h"

namespace imgbuild {

/// The base that packages were chosen on.
struct LockedBase {
  std::string name;  ///< as recipes say it
  std::string digest;
  bool operator==(const LockedBase&) const = default;
};

/// The packages of one step.
struct LockedStep {
  std::string step;  ///< what it does, for people
  std::string key;   ///< lock_keys() of a plan
  PackageLock packages;
  bool operator==(const LockedStep&) const = default;
};

/// What a deployment's images are pinned to: a text file beside the environment file, DEPLOYMENT's name with ".lock", to be kept
/// in version control. One line a package, so that a change reads well. It is JSON, read as the YAML that JSON is: with places.
///
///   { "version": 1,
///     "bases": [ {"name", "digest"}… ],                              by name
///     "steps": [ {"step", "key", "packages": [ {"name", "version", "architecture", "sha256", "size", "file", "uri"}… ]}… ] }
struct LockFile {
  std::vector<LockedBase> bases;
  std::vector<LockedStep> steps;
  bool operator==(const LockFile&) const = default;

  [[nodiscard]] const LockedBase* find_base(const std::string& name) const;
  [[nodiscard]] const LockedStep* find_step(const std::string& key) const;
};

/// "prod.lock" for "prod.yml".
[[nodiscard]] std::filesystem::path lock_path(const std::filesystem::path& environment_file);

[[nodiscard]] std::string to_text(const LockFile& lock);

/// Reads a lock file; nothing if there is none. What is wrong with it becomes problems.
[[nodiscard]] std::optional<LockFile> read_lock_file(const std::filesystem::path& file, Problems& problems);
/// The same. Throws Error (bad input) with all problems.
[[nodiscard]] std::optional<LockFile> read_lock_file(const std::filesystem::path& file);

}  // namespace imgbuild
