#include "build/layer_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "tree/tree_digest.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kPutAside = "damaged-";

Json to_json(const PackageLock& packages) {
  Json list = Json::array();
  for (const LockedPackage& package : packages) list.push_back({package.name, package.version, package.architecture, package.sha256});
  return list;
}

PackageLock packages_from_json(const Json& list) {
  PackageLock packages;
  for (const Json& fields : list) {
    packages.push_back({.name = fields.at(0), .version = fields.at(1), .architecture = fields.at(2), .file = "", .uri = "", .sha256 = fields.at(3)});
  }
  return packages;
}

std::string to_json(const Layer& layer) {
  return Json{{"version", 1}, {"key", layer.key}, {"parent", layer.parent}, {"step", layer.step}, {"content", layer.content},
              {"bytes", layer.bytes}, {"newest", layer.newest}, {"packages", to_json(layer.packages)},
              {"made", layer.made.time_since_epoch().count()}}
             .dump(2) + "\n";
}

/// The record in a layer's folder, or nothing.
std::optional<Layer> read_record(const fs::path& folder) {
  const fs::path record = folder / "layer.json";
  if (!fs::is_regular_file(fs::symlink_status(record)) || !fs::is_directory(fs::symlink_status(folder / "tree"))) return std::nullopt;
  try {
    const Json json = Json::parse(io::read_file(record));
    if (json.at("version") != 1) return std::nullopt;
    struct stat status = {};
    (void)::stat(record.c_str(), &status);  // it was read a moment ago
    return Layer{.key = json.at("key"), .parent = json.at("parent"), .step = json.at("step"), .content = json.at("content"),
                 .bytes = json.at("bytes"), .newest = json.at("newest"), .packages = packages_from_json(json.value("packages", Json::array())),
                 .made = std::chrono::sys_seconds(std::chrono::seconds(json.at("made").get<std::int64_t>())),
                 .used = std::chrono::sys_seconds(std::chrono::seconds(status.st_mtime)), .folder = folder};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::chrono::sys_seconds now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

}  // namespace

void LayerStore::put_aside(const fs::path& folder) const {
  const auto unique = std::chrono::system_clock::now().time_since_epoch().count();
  io::rename(folder, folder_ / fmt::format("{}{}-{}", kPutAside, folder.filename().native(), unique));
}

bool LayerStore::is_intact(const Layer& layer) { return digest_tree(layer.tree()).sha256 == layer.content; }

std::optional<Layer> LayerStore::record(const std::string& key) const {
  std::optional<Layer> layer = read_record(place(key));
  return layer && layer->key == key ? layer : std::nullopt;
}

std::optional<Layer> LayerStore::find(const std::string& key, Status& status) const {
  const fs::path folder = place(key);
  if (!fs::exists(fs::symlink_status(folder))) return std::nullopt;
  std::optional<Layer> layer = read_record(folder);
  if (layer && layer->key == key && is_intact(*layer)) {
    (void)::utimensat(AT_FDCWD, (folder / "layer.json").c_str(), nullptr, 0);  // only `cache prune` asks
    return layer;
  }
  status.note(fmt::format("the layer '{}' in '{}' is damaged; it is made anew", layer ? layer->step : "?", folder.native()));
  // Aside, not away: another build that found it whole may be reading it.
  put_aside(folder);
  return std::nullopt;
}

Layer LayerStore::make(const Layer& wanted, const Make& make) const {
  const io::TemporaryDirectory temporary(folder_, "layer");
  Layer layer = wanted;
  layer.folder = temporary.path() / "layer";
  io::make_directories(layer.tree(), 0755);
  io::make_directories(temporary.path() / "work", 0700);
  layer.packages = make(layer.tree(), temporary.path() / "work");
  const TreeDigest digest = digest_tree(layer.tree());
  layer.content = digest.sha256;
  layer.bytes = digest.bytes;
  layer.newest = digest.newest;
  layer.made = now();
  io::write_all(io::create_exclusive(layer.folder / "layer.json", 0600), to_json(layer));
  if (fs::exists(place(layer.key))) put_aside(place(layer.key));
  io::rename(layer.folder, place(layer.key));
  layer.folder = place(layer.key);
  return layer;
}

io::FileLock LayerStore::lock_to_make(const Layer& wanted, Status& status) const {
  return {place(wanted.key).native() + ".lock", [&] { status.note(fmt::format("another imgbuild makes '{}'; waiting", wanted.step)); }};
}

Layer LayerStore::find_or_make(const Layer& wanted, const Make& make_it, Status& status) const {
  const io::FileLock lock = lock_to_make(wanted, status);
  if (std::optional<Layer> layer = find(wanted.key, status)) return *layer;
  return make(wanted, make_it);
}

Layer LayerStore::make_anew(const Layer& wanted, const Make& make_it, Status& status) const {
  const io::FileLock lock = lock_to_make(wanted, status);
  return make(wanted, make_it);
}

std::vector<Layer> LayerStore::list() const {
  std::vector<Layer> layers;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    std::optional<Layer> layer = read_record(entry.path());
    if (layer && place(layer->key) == entry.path()) layers.push_back(*layer);
  }
  std::ranges::sort(layers, [](const Layer& a, const Layer& b) { return std::tie(b.used, a.key) < std::tie(a.used, b.key); });
  return layers;
}

io::FileLock LayerStore::lock_for_use(Status& status) const {
  return {folder_ / ".lock", [&] { status.note("another imgbuild prunes the cache; waiting"); }, io::FileLock::Sharing::together};
}

namespace {

/// Folders that are no layers, and locks of layers that are not there. Nobody uses layers meanwhile.
void remove_leftovers(const fs::path& store) {
  (void)io::sweep_temporaries(store);
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(store)) {
    const fs::path& path = entry.path();
    const bool is_lock = path.extension() == ".lock" && path.stem() != ".lock" && path.filename() != ".lock";
    if (is_lock && !fs::exists(fs::path(path).replace_extension())) leftovers.push_back(path);
    if (path.filename().native().starts_with(kPutAside)) leftovers.push_back(path);
  }
  for (const fs::path& path : leftovers) io::remove_tree(path);
}

struct InUse {};

}  // namespace

io::FileLock LayerStore::lock_to_remove(Status& status) const {
  return {folder_ / ".lock", [&] { status.note("a build uses the cache; waiting"); }};
}

void LayerStore::remove(const std::vector<Layer>& layers) const {
  for (const Layer& layer : layers) {
    // The record first: without it what is left of a layer counts as absent.
    io::remove_file(layer.folder / "layer.json");
    io::remove_tree(layer.folder);
  }
  remove_leftovers(folder_);
}

void LayerStore::sweep() const {
  try {
    const io::FileLock lock(folder_ / ".lock", [] { throw InUse(); });
    remove_leftovers(folder_);
  } catch (const InUse&) {  // the next build that is alone does it
  }
}

}  // namespace imgbuild
