#include "tree/package_lock.h"

#include <fmt/format.h>

#include "util/digest.h"

namespace imgbuild {

std::string digest_of(const PackageLock& lock) {
  Sha256 hash;
  hash.update_field("package lock");
  for (const LockedPackage& package : lock) {
    for (const std::string* field : {&package.name, &package.version, &package.architecture, &package.sha256}) {
      hash.update_field(*field);
    }
  }
  return hash.hex();
}

std::string describe(const LockedPackage& package) {
  return fmt::format("{} {} {}", package.name, package.version, package.architecture);
}

}  // namespace imgbuild
