#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace imgbuild {

/// A package file, pinned.
struct LockedPackage {
  std::string name;
  std::string version;
  std::string architecture;  ///< "all" too
  std::string file;          ///< its name in apt's archives: "nginx_1.22.1-9_amd64.deb"
  std::string uri;           ///< where it can be got; not part of what it is
  std::string sha256;
  std::uint64_t size = 0;  ///< bytes
  bool operator==(const LockedPackage&) const = default;
};

/// What a packages step installs; sorted by name, then architecture; each of these pairs once.
using PackageLock = std::vector<LockedPackage>;

/// Over name, version, architecture and SHA-256 of each: where the files come from makes no difference.
[[nodiscard]] std::string digest_of(const PackageLock& lock);

/// "nginx 1.22.1-9 amd64", for messages.
[[nodiscard]] std::string describe(const LockedPackage& package);

}  // namespace imgbuild
