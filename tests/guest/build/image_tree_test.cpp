#include "build/image_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "tree/fake_guest.h"
#include "tree/tree_listing.h"
#include "util/digest.h"
#include "util/io.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t kEpoch = 1'700'000'000;

/// A base of a few files, and a plan of overlays on it.
class Trees : public testing::Test {
 protected:
  Trees() {
    cache_.root = folder_.path() / "cache";
    for (const fs::path& made : {cache_.layers(), cache_.builds(), cache_.work(), cache_.packages()}) io::make_directories(made, 0700);
    const fs::path tree = folder_.path() / "base-tree";
    for (const char* name : {"etc/d", "usr/bin", "var/empty"}) io::make_directories(tree / name, 0755);
    for (int i = 0; i < 6; ++i) io::write_file(tree / fmt::format("etc/f{}", i), fmt::format("base {}", i), 0644);
    fs::create_hard_link(tree / "etc/f0", tree / "usr/bin/hard");
    fs::create_symlink("f1", tree / "etc/link");
    ::chown((tree / "var/empty").c_str(), 33, 44);
    for (const auto& entry : fs::recursive_directory_iterator(tree)) set_time(entry.path());
    set_time(tree);
    base_.name = "small";
    base_.folder = folder_.path();
    base_.tree_sha256 = archive_tree(tree, base_.tree());
    base_.digest = base_.tree_sha256;
    base_.made = std::chrono::sys_seconds(std::chrono::seconds(kEpoch + 100));
    plan_.recipe.role = "web";
  }
  static void set_time(const fs::path& path) {
    const timespec times[2] = {{kEpoch, 0}, {kEpoch, 0}};
    ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }
  fs::path overlay(int number) { return folder_.path() / fmt::format("overlay{}", number); }
  void set_steps(const std::vector<int>& overlays) {
    plan_.steps.clear();
    for (const int number : overlays) {
      const Step step = OverlayStep{.name = std::to_string(number), .folder = overlay(number)};
      const std::vector<StepInput> inputs = inputs_of(step);
      plan_.steps.push_back({.step = step, .inputs = inputs, .digest = digest_of(step, inputs)});
    }
  }
  /// What is in a tree; times set while it was made count as the epoch.
  static std::vector<TreeRecord> listing(const fs::path& tree) {
    std::vector<TreeRecord> records = tree_listing(tree);
    for (TreeRecord& record : records) record.mtime = std::min(record.mtime, kEpoch);
    return records;
  }
  /// The tree as steps on one unpacked folder make it: no layers.
  std::vector<TreeRecord> clean() {
    const io::TemporaryDirectory work(folder_.path(), "clean");
    (void)extract_tree(base_.tree(), work.path() / "tree");
    FakeGuest guest(work.path() / "tree");
    for (const PlannedStep& planned : plan_.steps) guest.copy_folder_in(std::get<OverlayStep>(planned.step).folder, "/");
    return listing(work.path() / "tree");
  }
  std::vector<TreeRecord> incremental() {
    const io::TemporaryDirectory work(cache_.work(), "build");
    const ImageTree tree({plan_, base_, cache_, options_}, work.path(), status_);
    EXPECT_EQ(tree.epoch(), kEpoch);
    return listing(tree.path());
  }
  [[nodiscard]] std::size_t layers() const { return LayerStore(cache_.layers()).list().size(); }

  io::TemporaryDirectory folder_{fs::path(IMGBUILD_BINARY_DIR) / "test-work", "trees"};
  Cache cache_;
  Base base_;
  Plan plan_;
  BuildOptions options_;
  SilentStatus status_;
};

/// Changes overlays and the list of steps at random, names as in the base among them, so that files, folders and links meet.
class Edits {
 public:
  explicit Edits(unsigned seed) : random_(seed) {}

  void change_file(const fs::path& overlay) {
    const fs::path path = overlay / pick({"etc", "usr/bin", "etc/d", "new"}) / pick({"f0", "f1", "f2", "g", "h", "hard"});
    io::make_directories(path.parent_path(), 0755);
    fs::remove_all(path);
    switch (below(4)) {
      case 0: return;  // removed
      case 1: return fs::create_symlink(pick({"f1", "/etc/f3", "nowhere"}), path);
      default: io::write_file(path, fmt::format("content {}", below(3)), below(2) == 0 ? 0644 : 0755);
    }
  }
  std::vector<int> steps() {
    std::vector<int> numbers = {0, 1, 2, 3};
    std::ranges::shuffle(numbers, random_);
    numbers.resize(1 + below(4));
    return numbers;
  }
  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }

 private:
  std::string pick(const std::vector<std::string>& words) { return words[below(words.size())]; }
  std::mt19937 random_;
};

TEST_F(Trees, MadeOfLayersEqualThoseMadeAtOnceAfterEachOfManyEdits) {
  const char* asked = std::getenv("IMGBUILD_TEST_EDITS");  // 10,000 take two minutes in memory
  const int count = asked != nullptr ? std::atoi(asked) : 1000;
  Edits edits(1);
  for (int i = 0; i < 4; ++i) io::make_directories(overlay(i), 0755);
  std::vector<int> steps = {0, 1, 2, 3};
  for (int edit = 0; edit < count; ++edit) {
    edits.change_file(overlay(static_cast<int>(edits.below(4))));
    if (edit % 10 == 0) steps = edits.steps();
    set_steps(steps);
    ASSERT_THAT(difference(clean(), incremental()), testing::IsEmpty()) << "edit " << edit;
    if (edit % 500 == 0) {
      const LayerStore store(cache_.layers());
      store.remove(store.list());
    }
  }
}

TEST_F(Trees, OfAChangedOverlayMakeOnlyWhatFollowsIt) {
  for (int i = 0; i < 3; ++i) {
    io::make_directories(overlay(i) / "etc", 0755);
    io::write_file(overlay(i) / fmt::format("etc/new{}", i), "1", 0644);
  }
  set_steps({0, 1, 2});
  (void)incremental();
  EXPECT_EQ(layers(), 4U);  // with the base
  (void)incremental();
  EXPECT_EQ(layers(), 4U);
  io::write_file(overlay(2) / "etc/new2", "2", 0644);
  set_steps({0, 1, 2});
  (void)incremental();
  EXPECT_EQ(layers(), 5U);
  io::write_file(overlay(0) / "etc/new0", "2", 0644);
  set_steps({0, 1, 2});
  (void)incremental();
  EXPECT_EQ(layers(), 8U);
}

// What is not pinned there would be copied up, all of it, when the whole tree is.
TEST_F(Trees, HaveTheirTimesPinnedInTheLayers) {
  io::make_directories(overlay(1) / "etc/e", 0755);
  io::write_file(overlay(1) / "etc/e/new", "new", 0644);
  io::write_file(overlay(1) / "etc/f0", "changed", 0644);
  set_steps({1});
  (void)incremental();
  for (const Layer& layer : LayerStore(cache_.layers()).list()) EXPECT_LE(layer.newest, kEpoch) << layer.step;
}

TEST_F(Trees, WithADamagedLayerAreMadeRight) {
  io::make_directories(overlay(0) / "etc", 0755);
  io::write_file(overlay(0) / "etc/f0", "new", 0644);
  set_steps({0});
  const std::vector<TreeRecord> good = incremental();
  for (const Layer& layer : LayerStore(cache_.layers()).list()) io::write_file(layer.tree() / "etc/f0", "changed", 0644);
  EXPECT_THAT(difference(good, incremental()), testing::IsEmpty());
}

TEST_F(Trees, WhoseLowerLayerWasMadeAgainMakeThoseAboveAgain) {
  for (int i = 0; i < 2; ++i) io::make_directories(overlay(i) / "etc", 0755);
  set_steps({0, 1});
  (void)incremental();
  for (const Layer& layer : LayerStore(cache_.layers()).list()) {
    if (layer.step == "overlay: 0") io::write_file(layer.tree() / "damage", "", 0644);
  }
  (void)incremental();
  const std::vector<Layer> layers = LayerStore(cache_.layers()).list();
  EXPECT_EQ(std::ranges::count(layers, "overlay: 1", &Layer::step), 2);
}

TEST_F(Trees, AreFreeToBeChangedWhileLayersStay) {
  io::make_directories(overlay(0) / "etc", 0755);
  set_steps({0});
  const std::vector<TreeRecord> good = incremental();
  {
    const io::TemporaryDirectory work(cache_.work(), "build");
    const ImageTree tree({plan_, base_, cache_, options_}, work.path(), status_);
    fs::remove_all(tree.path() / "etc");
    io::write_file(tree.path() / "x", "", 0644);
  }
  EXPECT_THAT(difference(good, incremental()), testing::IsEmpty());
}

TEST_F(Trees, LeaveNoMountAndNoTemporary) {
  io::make_directories(overlay(0), 0755);
  set_steps({0});
  (void)incremental();
  EXPECT_EQ(io::read_file("/proc/self/mountinfo").find(folder_.path().native()), std::string::npos);
  EXPECT_TRUE(fs::is_empty(cache_.work()));
  for (const auto& entry : fs::directory_iterator(cache_.layers())) EXPECT_FALSE(entry.path().filename().native().starts_with("tmp-"));
}

}  // namespace
}  // namespace imgbuild
