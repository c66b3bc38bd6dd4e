#pragma once

#include <filesystem>

namespace imgbuild {

/// The folders of $XDG_CACHE_HOME/imgbuild (or ~/.cache/imgbuild), each 0700.
struct Cache {
  std::filesystem::path root;
  [[nodiscard]] std::filesystem::path bases() const { return root / "bases"; }
  [[nodiscard]] std::filesystem::path layers() const { return root / "layers"; }
  [[nodiscard]] std::filesystem::path downloads() const { return root / "downloads"; }
  /// What images were last made of.
  [[nodiscard]] std::filesystem::path builds() const { return root / "builds"; }
  /// Package files and lists, verified by APT on each use.
  [[nodiscard]] std::filesystem::path packages() const { return root / "downloads" / "packages"; }
  /// Where libguestfs keeps its appliance between runs.
  [[nodiscard]] std::filesystem::path appliance() const { return root / "appliance"; }
  /// Where trees are unpacked and disks are written; swept at start.
  [[nodiscard]] std::filesystem::path work() const { return root / "work"; }
};

/// Where the cache is; makes nothing.
[[nodiscard]] Cache find_cache();

/// Makes the folders, sweeps what dead runs left, and tells libguestfs where to keep its appliance (LIBGUESTFS_CACHEDIR,
/// unless that is set). Throws Error (host unfit) if the cache belongs to another user, is a
/// link, or may be written by others: what lies in it becomes part of images.
[[nodiscard]] Cache open_cache();

}  // namespace imgbuild
