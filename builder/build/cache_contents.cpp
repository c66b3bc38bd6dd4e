#include "build/cache_contents.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/base.h"
#include "build/layer_key.h"
#include "build/layer_store.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Kind = CacheItem::Kind;

namespace {

struct stat status_of(const fs::path& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) throw system_error(errno, fmt::format("cannot look at '{}'", path.native()));
  return status;
}

std::uint64_t bytes_on_disk(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) bytes += static_cast<std::uint64_t>(status_of(entry.path()).st_blocks) * 512;
  return bytes;
}

/// Files of a folder. A package file gets a second name in every build that uses it, and with it a new change time.
void add_files(const fs::path& folder, Kind kind, std::vector<CacheItem>& items) {
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder, absent)) {
    const struct stat status = status_of(entry.path());
    if (!S_ISREG(status.st_mode)) continue;
    items.push_back({.kind = kind, .name = entry.path().filename().native(), .bytes = static_cast<std::uint64_t>(status.st_blocks) * 512,
                     .used = std::chrono::sys_seconds(std::chrono::seconds(status.st_ctime)), .path = entry.path()});
  }
}

fs::path package_files(const Cache& cache) { return cache.packages() / "packages"; }
fs::path opened_files(const Cache& cache) { return cache.packages() / "opened"; }

/// SHA256.deb, or SHA256-OPENED.deb: the last is the file's own.
bool is_intact_package(const fs::path& file) {
  const std::string name = file.stem();
  return sha256_file(file) == name.substr(name.rfind('-') + 1);
}

/// Bases of which one made later has the same name. 'list_bases' gives the latest first.
std::set<fs::path> superseded_bases(const Cache& cache) {
  std::set<std::string> names;
  std::set<fs::path> folders;
  for (const Base& base : list_bases(cache.bases())) {
    if (!names.insert(base.name).second) folders.insert(base.folder);
  }
  return folders;
}

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::base: return "base";
    case Kind::layer: return "layer";
    case Kind::package: return "package";
    case Kind::download: return "download";
  }
  return "";
}

std::vector<CacheItem> list_cache(const Cache& cache) {
  std::vector<CacheItem> items;
  if (!fs::exists(cache.root)) return items;
  const LayerStore store(cache.layers());
  for (const Base& base : list_bases(cache.bases())) {
    const std::optional<Layer> unpacked = store.record(base_layer_key(base));
    items.push_back({.kind = Kind::base, .name = base.name, .bytes = bytes_on_disk(base.folder),
                     .used = unpacked ? std::max(base.made, unpacked->used) : base.made, .path = base.folder});
  }
  for (const Layer& layer : store.list()) {
    items.push_back({.kind = Kind::layer, .name = layer.step, .bytes = layer.bytes, .used = layer.used, .path = layer.folder});
  }
  add_files(package_files(cache), Kind::package, items);
  add_files(opened_files(cache), Kind::package, items);
  add_files(cache.downloads(), Kind::download, items);
  std::ranges::stable_sort(items, [](const CacheItem& a, const CacheItem& b) { return std::tie(a.kind, b.used) < std::tie(b.kind, a.used); });
  return items;
}

std::vector<CacheItem> prune_cache(const Cache& cache, std::chrono::sys_seconds before, Status& status) {
  // Builds hold this one while they read the base and packages too.
  const LayerStore store(cache.layers());
  const io::FileLock unused = store.lock_to_remove(status);
  const io::FileLock bases(cache.bases() / ".lock", [&] { status.note("another imgbuild makes a base; waiting"); });
  const std::set<fs::path> superseded = superseded_bases(cache);
  std::vector<Layer> layers = store.list();
  std::erase_if(layers, [&](const Layer& layer) { return layer.used >= before; });
  std::vector<CacheItem> gone;
  for (const CacheItem& item : list_cache(cache)) {
    check_interrupt();
    if (item.used >= before && !superseded.contains(item.path)) continue;
    if (item.kind != Kind::layer) io::remove_tree(item.path);
    gone.push_back(item);
  }
  store.remove(layers);
  return gone;
}

std::vector<CacheItem> verify_cache(const Cache& cache, Status& status) {
  std::set<fs::path> intact;
  for (const Base& base : list_bases(cache.bases())) {
    status.progress(0, 0, base.name);
    if (sha256_file(base.tree()) == base.tree_sha256 && sha256_file(base.boot()) == base.boot_sha256) intact.insert(base.folder);
  }
  for (const Layer& layer : LayerStore(cache.layers()).list()) {
    status.progress(0, 0, layer.step);
    if (LayerStore::is_intact(layer)) intact.insert(layer.folder);
  }
  std::vector<CacheItem> damaged;
  for (const CacheItem& item : list_cache(cache)) {
    // Nothing says what a download must be: it is checked against its publisher's signature whenever it is used.
    const bool is_good = item.kind == Kind::download || (item.kind == Kind::package ? is_intact_package(item.path) : intact.contains(item.path));
    if (!is_good) damaged.push_back(item);
  }
  return damaged;
}

}  // namespace imgbuild
