#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "build/cache.h"
#include "util/status.h"

namespace imgbuild {

/// Something the cache holds.
struct CacheItem {
  enum class Kind { base, layer, package, download } kind;
  std::string name;  ///< "bootstrap", "overlay: web", "SHA256.deb"
  std::uint64_t bytes = 0;
  std::chrono::sys_seconds used;  ///< when it was last made or used
  std::filesystem::path path;     ///< file or folder
};

[[nodiscard]] std::string_view to_string(CacheItem::Kind kind);

/// All of it, by kind, and what was used last first. Makes nothing; a cache that is not there is empty.
[[nodiscard]] std::vector<CacheItem> list_cache(const Cache& cache);

/// Removes what was not used since 'before', and bases of which there is a newer one; the newest base of a name stays unless it
/// was made before 'before' too. Waits until no build uses layers. Returns what went. Throws Error, Interrupted.
[[nodiscard]] std::vector<CacheItem> prune_cache(const Cache& cache, std::chrono::sys_seconds before, Status& status);

/// Reads everything whole but downloads, and returns what is damaged: each counts as absent, so a build makes it anew.
[[nodiscard]] std::vector<CacheItem> verify_cache(const Cache& cache, Status& status);

}  // namespace imgbuild
