#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/base.h"
#include "build/manifest.h"
#include "build/plan.h"
#include "tree/guest.h"
#include "tree/package_lock.h"
#include "tree/tree_listing.h"

namespace imgbuild {

/// What is known of an image once its disk is there.
struct BuiltDisk {
  std::filesystem::path raw;                   ///< the disk
  std::vector<InstalledPackage> installed = {};
  PackageLock packages = {};                   ///< files that the steps installed, in their order
  std::vector<TreeRecord> files = {};          ///< the tree, as it went into the disk
  std::int64_t epoch = 0;                      ///< seconds since 1970
};

/// The manifest of an image, but for what is written of it later: artifacts and documents. Reads boot code and boot partitions of
/// the disk. 'plan_digest' is the plan's.
[[nodiscard]] Manifest describe_build(const Plan& plan, const Base& base, const std::string& plan_digest, const BuiltDisk& made);

}  // namespace imgbuild
