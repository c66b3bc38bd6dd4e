#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/base.h"
#include "build/builder.h"
#include "build/layer_store.h"
#include "tree/guest.h"
#include "tree/overlay_mount.h"

namespace imgbuild {

/// What the tree of an image is made from, and how.
struct TreeRequest {
  const Plan& plan;
  const Base& base;
  const Cache& cache;
  const BuildOptions& options;
};

/// The tree of an image after all steps of its plan, for as long as this object lives: a folder of its own, free to be
/// changed. Where overlays can be mounted it is the layers of the cache shown as one; a layer is made for each step that
/// has none. Elsewhere (the libguestfs backend, a cache on an overlay) the base is unpacked and every step is run.
class ImageTree {
 public:
  /// 'work' is empty and outlives this object. Reports each step made as a stage. Throws as build_image.
  ImageTree(const TreeRequest& request, const std::filesystem::path& work, Status& status);

  [[nodiscard]] const std::filesystem::path& path() const { return tree_; }
  /// The time that what we do counts as done at, in seconds since 1970: of the base's newest file. Unlike the clock it is
  /// the same for whoever makes the same image. Not after the base was made: a file from the future changes nothing.
  [[nodiscard]] std::int64_t epoch() const { return epoch_; }
  /// The package files that the steps installed, in the order of the steps.
  [[nodiscard]] const PackageLock& packages() const { return packages_; }
  /// Keys of the steps' layers; empty where none are kept.
  [[nodiscard]] std::vector<std::string> keys() const;
  /// To work on the tree.
  [[nodiscard]] std::unique_ptr<Guest> open();

 private:
  void unpack();
  void run_steps();
  void stack_layers();
  [[nodiscard]] Layer base_layer() const;
  [[nodiscard]] Layer step_layer(std::size_t index) const;
  PackageLock make_step(std::size_t index, const std::filesystem::path& upper, const std::filesystem::path& work);
  PackageLock apply_step(Guest& guest, std::size_t index);
  [[nodiscard]] OverlayFolders folders(const std::filesystem::path& upper, const std::filesystem::path& work) const;

  TreeRequest request_;
  std::filesystem::path work_;
  std::filesystem::path tree_;
  Status& status_;
  LayerStore store_;
  std::int64_t epoch_ = 0;
  PackageLock packages_;
  std::vector<Layer> stack_;  ///< the base's tree first
  std::optional<io::FileLock> lock_;
  std::optional<OverlayMount> mount_;
};

}  // namespace imgbuild
