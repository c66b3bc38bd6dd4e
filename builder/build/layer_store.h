#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tree/package_lock.h"
#include "util/io.h"
#include "util/status.h"

namespace imgbuild {

/// What one step changed in the tree below it, as overlayfs keeps it: whole files, removed ones as devices 0/0.
struct Layer {
  std::string key;      ///< digest of all that decides what is in it
  std::string parent;   ///< key of the layer below; empty: the base's tree itself
  std::string step;     ///< for people: "overlay: web"
  std::string content;  ///< digest_tree of what is in it
  std::uint64_t bytes = 0;
  std::int64_t newest = 0;  ///< time of its newest entry, seconds since 1970
  PackageLock packages = {};  ///< the files that a packages step installed: name, version, architecture and SHA-256 of each
  std::chrono::sys_seconds made;
  std::chrono::sys_seconds used;  ///< last time it was found
  std::filesystem::path folder;
  [[nodiscard]] std::filesystem::path tree() const { return folder / "tree"; }
};

/// The layers of the cache. Each lies in a folder of its own, named by the first 32 digits of its key:
///
///   KEY/layer.json   this struct, without the folder; its time is when the layer was used last
///   KEY/tree/        the files
///   KEY.lock         held while it is made
///   .lock            held together by those who use layers, alone by those who remove some
///
/// A layer appears by a rename and never changes. Nothing in it is synced: what a power cut leaves of it has another
/// digest, and counts as absent.
class LayerStore {
 public:
  explicit LayerStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Reads the layer whole: true if it holds what was made.
  [[nodiscard]] static bool is_intact(const Layer& layer);

  /// The record of the layer, if there is one; what it holds was not read.
  [[nodiscard]] std::optional<Layer> record(const std::string& key) const;

  /// Fills 'upper' with what the layer is to hold; 'work' is an empty folder beside it. Returns the layer's packages.
  using Make = std::function<PackageLock(const std::filesystem::path& upper, const std::filesystem::path& work)>;

  /// The layer, found or made: by us, or by another process that we then wait for. 'wanted' gives key, parent and step.
  /// Throws what 'make' throws; then nothing is left of it.
  [[nodiscard]] Layer find_or_make(const Layer& wanted, const Make& make, Status& status) const;

  /// Made in any case, in place of the one that is there.
  [[nodiscard]] Layer make_anew(const Layer& wanted, const Make& make, Status& status) const;

  /// All whose record is whole, the one used last first. Their content was not read.
  [[nodiscard]] std::vector<Layer> list() const;

  /// Held by a build for as long as it uses layers, so that none goes from under it. Waits for who removes some.
  [[nodiscard]] io::FileLock lock_for_use(Status& status) const;

  /// Held by who removes something of the cache. Waits until no build uses layers.
  [[nodiscard]] io::FileLock lock_to_remove(Status& status) const;

  /// Removes these, and what dead builds left or was put aside. Under lock_to_remove.
  void remove(const std::vector<Layer>& layers) const;

  /// Removes what dead builds left and what was put aside, unless somebody uses layers now.
  void sweep() const;

 private:
  /// The layer, read whole and found to be what was made; else nothing, and a damaged one is put aside and told to 'status'.
  [[nodiscard]] std::optional<Layer> find(const std::string& key, Status& status) const;
  [[nodiscard]] std::filesystem::path place(const std::string& key) const { return folder_ / key.substr(0, 32); }
  [[nodiscard]] io::FileLock lock_to_make(const Layer& wanted, Status& status) const;
  [[nodiscard]] Layer make(const Layer& wanted, const Make& make) const;
  void put_aside(const std::filesystem::path& folder) const;

  std::filesystem::path folder_;
};

}  // namespace imgbuild
