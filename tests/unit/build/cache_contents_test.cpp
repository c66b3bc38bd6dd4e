#include "build/cache_contents.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <future>
#include <map>

#include "base/base.h"
#include "build/layer_key.h"
#include "build/layer_store.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

std::chrono::sys_seconds now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

/// Two bases of one name, two layers of which one was not used for 40 days, a package file and a download.
class CacheContents : public testing::Test {
 protected:
  CacheContents() {
    cache_.root = folder_.path();
    for (const fs::path& made : {cache_.bases(), cache_.layers(), cache_.packages() / "packages"}) io::make_directories(made, 0700);
    put_base("old", 2'000'000s);
    put_base("new", 3'000'000s);
    for (const char* name : {"fresh", "stale"}) put_layer(name);
    const std::int64_t old = (now() - std::chrono::days(40)).time_since_epoch().count();
    const timespec times[2] = {{old, 0}, {old, 0}};
    ::utimensat(AT_FDCWD, (layer("stale").folder / "layer.json").c_str(), times, 0);
    io::write_file(package(), "package", 0644);
    io::write_file(cache_.downloads() / "disk.img", "disk", 0600);
  }
  void put_base(const std::string& content, std::chrono::seconds made) {
    const io::TemporaryDirectory work(folder_.path(), "base");
    io::write_file(work.path() / "disk", "boot code", 0600);
    io::make_directories(work.path() / "tree", 0755);
    io::write_file(work.path() / "tree" / "file", content, 0644);
    const Base base{.name = "bootstrap", .layout = {.disk_guid = "X"}, .made = std::chrono::sys_seconds(made)};
    bases_[content] = save_base(cache_.bases(), {.base = base, .tree = work.path() / "tree", .disk = work.path() / "disk"}).folder;
  }
  void put_layer(const std::string& name) {
    SilentStatus silent;
    (void)LayerStore(cache_.layers()).find_or_make({.key = sha256(name), .step = name}, [&](const fs::path& upper, const fs::path&) {
      io::write_file(upper / "file", name, 0644);
      return PackageLock{};
    }, silent);
  }
  Layer layer(const std::string& name) { return LayerStore(cache_.layers()).record(sha256(name)).value(); }
  [[nodiscard]] fs::path package() const { return cache_.packages() / "packages" / (sha256("package") + ".deb"); }
  static std::vector<std::string> names(const std::vector<CacheItem>& items) {
    std::vector<std::string> names;
    for (const CacheItem& item : items) names.push_back(fmt::format("{} {:.20}", to_string(item.kind), item.path.filename().native()));
    return names;
  }
  std::string place(const std::string& name) { return fmt::format("layer {:.20}", layer(name).folder.filename().native()); }
  std::string base(const std::string& name) { return fmt::format("base {:.20}", bases_[name].filename().native()); }
  std::string package_name() const { return fmt::format("package {:.20}", package().filename().native()); }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "cache"};
  Cache cache_;
  std::map<std::string, fs::path> bases_;
  SilentStatus status_;
};

TEST_F(CacheContents, AreListedByKindAndUse) {
  EXPECT_THAT(names(list_cache(cache_)), ElementsAre(base("new"), base("old"), place("fresh"), place("stale"), package_name(), "download disk.img"));
  EXPECT_THAT(list_cache(Cache{folder_.path() / "none"}), IsEmpty());
}

TEST_F(CacheContents, LoseWhatIsUnusedAndBasesWithANewerOne) {
  put_base("new", now().time_since_epoch());
  const std::string stale = place("stale");
  EXPECT_THAT(names(prune_cache(cache_, now() - std::chrono::days(30), status_)), ElementsAre(base("old"), stale));
  EXPECT_THAT(names(list_cache(cache_)), ElementsAre(base("new"), place("fresh"), package_name(), "download disk.img"));
}

TEST_F(CacheContents, KeepABaseWhoseTreeIsUsed) {
  for (const Base& base : list_bases(cache_.bases())) {
    if (base.folder != bases_["new"]) continue;
    SilentStatus silent;
    (void)LayerStore(cache_.layers()).find_or_make({.key = base_layer_key(base), .step = "base"}, [](const fs::path&, const fs::path&) { return PackageLock{}; }, silent);
  }
  (void)prune_cache(cache_, now() - std::chrono::days(30), status_);
  EXPECT_TRUE(fs::exists(bases_["new"]));
  EXPECT_FALSE(fs::exists(bases_["old"]));
}

TEST_F(CacheContents, StayWhileABuildUsesThem) {
  std::optional<io::FileLock> build = LayerStore(cache_.layers()).lock_for_use(status_);
  std::future<void> prune = std::async(std::launch::async, [&] {
    SilentStatus silent;
    (void)prune_cache(cache_, now() + 1h, silent);
  });
  EXPECT_EQ(prune.wait_for(300ms), std::future_status::timeout);
  EXPECT_TRUE(fs::exists(bases_["new"]) && fs::exists(package()));
  build.reset();
  prune.get();
  EXPECT_THAT(list_cache(cache_), IsEmpty());
}

TEST_F(CacheContents, CanAllBeRemoved) {
  EXPECT_EQ(prune_cache(cache_, now() + 1h, status_).size(), 6U);
  EXPECT_THAT(list_cache(cache_), IsEmpty());
}

TEST_F(CacheContents, AreReadWholeToFindDamage) {
  EXPECT_THAT(verify_cache(cache_, status_), IsEmpty());
  io::write_file(bases_["old"] / "tree.tar", "damage", 0644);
  io::write_file(layer("fresh").tree() / "file", "damage", 0644);
  io::write_file(package(), "packagE", 0644);
  EXPECT_THAT(names(verify_cache(cache_, status_)), ElementsAre(base("old"), place("fresh"), package_name()));
}

}  // namespace
}  // namespace imgbuild
