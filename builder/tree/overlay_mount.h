#pragma once

#include <filesystem>
#include <vector>

namespace imgbuild {

/// Gives this process mounts of its own: those made from here on are seen by it and its children alone, and the kernel
/// removes them when the last of these ends, however that is. Needs to be root, or root of a user namespace. Called by the
/// thread that mounts. Throws Error (host unfit).
void enter_mount_namespace();

/// Folders that are shown as one. All are on one file system; 'lower' are only read.
struct OverlayFolders {
  std::vector<std::filesystem::path> lower;  ///< the topmost first; at least one, and at most about 180 (a page of options)
  std::filesystem::path upper;               ///< takes every change
  std::filesystem::path work;                ///< empty; the kernel's, to be removed afterwards
};

/// The folders shown as one at 'target' (an existing folder), until this object goes. Changed files of 'lower' appear in
/// 'upper' whole, removed ones as character devices 0/0. Nothing is synced: after a power cut 'upper' is worth nothing.
class OverlayMount {
 public:
  /// After enter_mount_namespace(). Throws Error (host unfit) if the kernel can't: `can_mount_overlay` tells before.
  OverlayMount(const OverlayFolders& folders, std::filesystem::path target);
  ~OverlayMount();
  OverlayMount(const OverlayMount&) = delete;
  OverlayMount& operator=(const OverlayMount&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return target_; }

 private:
  std::filesystem::path target_;
};

/// True if overlays can be mounted on folders below 'folder', and removed files and replaced folders are kept in them: not on
/// another overlay, and not everywhere without root. Tried there in a child process.
[[nodiscard]] bool can_mount_overlay(const std::filesystem::path& folder);

}  // namespace imgbuild
