#include "tree/packages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "complaint.h"
#include "guest/tree/base_tree.h"
#include "package_site.h"
#include "tree/generalize.h"
#include "tree/native_guest.h"
#include "tree/tree_listing.h"
#include "util/root_folder.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t kEpoch = 1'700'000'000;
const fs::path kWork = fs::path(IMGBUILD_BINARY_DIR) / "test-work";

/// An archive of our own, its packages made by dpkg-deb, and nothing else that apt could see.
class SmallArchive {
 public:
  void add(const std::string& name, const std::string& version, const std::string& fields = "") {
    const fs::path folder = site_.folder() / ("of-" + name + version);
    io::make_directories(folder / "DEBIAN", 0755);
    io::make_directories(folder / "usr/share" / name, 0755);
    io::write_file(folder / "usr/share" / name / "version", version + "\n", 0644);
    io::write_file(folder / "DEBIAN/control",
                   fmt::format("Package: {}\nVersion: {}\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\n{}Description: for tests\n",
                               name, version, fields),
                   0644);
    const std::string file = fmt::format("{}_{}_amd64.deb", name, version);
    SystemCommandRunner runner;
    (void)run_checked(runner, {.program = "dpkg-deb", .arguments = {"--root-owner-group", "--build", folder.native(), (site_.folder() / file).native()}});
    index_ += io::read_file(folder / "DEBIAN/control") +
              fmt::format("Filename: ./{}\nSize: {}\nSHA256: {}\n\n", file, fs::file_size(site_.folder() / file), sha256_file(site_.folder() / file));
    io::write_file(site_.folder() / "Packages", index_, 0644);
  }

  void use_for(Guest& guest) const {
    for (const std::string& path : guest.list("/etc/apt/sources.list.d/*")) guest.remove(path);
    guest.write_file("/etc/apt/sources.list", "deb [trusted=yes] " + site_.url() + " ./\n", 0644);
  }

  [[nodiscard]] PackageSite& site() { return site_; }

 private:
  PackageSite site_;
  std::string index_;
};

class Packages : public testing::Test {
 protected:
  Packages() : folder_(kWork, "packages") {
    archive_.add("alpha", "1.0", "Depends: beta\n");
    archive_.add("beta", "1.0");
    archive_.add("gamma", "1.0");
    context_.package_cache = folder_.path() / "store";
    context_.work = folder_.path() / "work";
    guest_ = fresh("tree");
  }

  std::unique_ptr<Guest> fresh(const std::string& name) {
    make_base_tree(folder_.path() / name);
    std::unique_ptr<Guest> guest = make_native_guest({.tree = folder_.path() / name, .source_date_epoch = kEpoch});
    archive_.use_for(*guest);
    return guest;
  }

  PackageLock resolve(const PackagesStep& step) { return resolve_packages(*guest_, step, context_, status_); }

  void begin_another_build() { context_.work = folder_.path() / "another"; }

  /// Resolved and downloaded.
  PackageLock lock_of(const PackagesStep& step) {
    PackageLock lock = resolve(step);
    fetch_packages(lock, context_, status_);
    return lock;
  }

  std::string complaint(const PackagesStep& step, const PackageLock& lock) {
    return complaint_of([&] { install_packages(*guest_, step, lock, context_, status_); });
  }

  io::TemporaryDirectory folder_;
  SmallArchive archive_;
  StepContext context_;
  SilentStatus status_;
  std::unique_ptr<Guest> guest_;
};

const PackagesStep kAlpha{.install = {"alpha"}};

std::vector<std::string> texts(const PackageLock& lock) {
  std::vector<std::string> result;
  for (const LockedPackage& package : lock) result.push_back(describe(package));
  return result;
}

TEST_F(Packages, ResolvingTellsWhatWouldBeInstalledAndChangesNothing) {
  const std::vector<TreeRecord> before = tree_listing(folder_.path() / "tree");
  const PackageLock lock = resolve(kAlpha);
  EXPECT_THAT(texts(lock), testing::ElementsAre("alpha 1.0 amd64", "beta 1.0 amd64"));
  EXPECT_EQ(lock[1].uri, archive_.site().url() + "./beta_1.0_amd64.deb");
  EXPECT_EQ(lock[1].sha256, sha256_file(archive_.site().folder() / "beta_1.0_amd64.deb"));
  EXPECT_THAT(difference(before, tree_listing(folder_.path() / "tree")), testing::IsEmpty());
}

TEST_F(Packages, ALockGivesTheSameTreeWithoutNetworkWhenTheArchiveHasMovedOn) {
  apply(*guest_, PackagesStep{.install = {"alpha", "gamma"}, .upgrade = PackagesStep::Upgrade::yes}, context_, status_);
  const std::unique_ptr<Guest> other = fresh("other");
  const PackagesStep step{.install = {"alpha", "gamma"}, .upgrade = PackagesStep::Upgrade::yes};
  const PackageLock lock = resolve_packages(*other, step, context_, status_);
  archive_.add("beta", "2.0");
  archive_.site().stop();
  install_packages(*other, step, lock, context_, status_);
  for (const char* name : {"tree", "other"}) generalize(folder_.path() / name, kEpoch, status_);
  EXPECT_THAT(difference(tree_listing(folder_.path() / "tree"), tree_listing(folder_.path() / "other")), testing::IsEmpty());
  EXPECT_EQ(other->read_file("/usr/share/beta/version"), "1.0\n");
}

TEST_F(Packages, WhatOnlyCameAlongIsMarkedSo) {
  apply(*guest_, kAlpha, context_, status_);
  const std::string marks = guest_->read_file("/var/lib/apt/extended_states");
  EXPECT_THAT(marks, testing::HasSubstr("Package: beta\nArchitecture: amd64\nAuto-Installed: 1\n"));
  EXPECT_THAT(marks, testing::Not(testing::HasSubstr("Package: alpha\n")));
}

TEST_F(Packages, NothingOfTheLockStaysInTheTree) {
  const auto of_apt = [this] {
    std::vector<std::vector<std::string>> found;
    for (const char* pattern : {"/etc/apt/*", "/etc/apt/sources.list.d/*", "/var/lib/apt/lists/*", "/var/cache/apt/*", "/var/cache/apt/archives/*"}) {
      found.push_back(guest_->list(pattern));
    }
    return found;
  };
  const std::vector<std::vector<std::string>> before = of_apt();
  apply(*guest_, kAlpha, context_, status_);
  EXPECT_EQ(of_apt(), before);
}

TEST_F(Packages, OfAllStepsOfABuildAreChosenFromTheSameLists) {
  (void)resolve(kAlpha);
  const std::size_t requests = archive_.site().requests("Packages");
  archive_.add("beta", "2.0");
  EXPECT_THAT(texts(resolve(kAlpha)), testing::ElementsAre("alpha 1.0 amd64", "beta 1.0 amd64"));
  EXPECT_EQ(archive_.site().requests("Packages"), requests);
  begin_another_build();
  EXPECT_THAT(texts(resolve(kAlpha)), testing::ElementsAre("alpha 1.0 amd64", "beta 2.0 amd64"));
}

TEST_F(Packages, OfASourceThatAStepHasAddedAreFound) {
  (void)resolve(kAlpha);
  SmallArchive more;
  more.add("delta", "1.0");
  guest_->write_file("/etc/apt/sources.list.d/more.list", "deb [trusted=yes] " + more.site().url() + " ./\n", 0644);
  EXPECT_THAT(texts(resolve(PackagesStep{.install = {"delta"}})), testing::ElementsAre("delta 1.0 amd64"));
}

TEST_F(Packages, OfASourceInsideTheTreeAreThoseOfTheMoment) {
  const fs::path inside = folder_.path() / "tree/srv/packages";
  io::make_directories(inside, 0755);
  const auto copy_packages = [&] {
    for (const auto& entry : fs::directory_iterator(archive_.site().folder())) {
      if (entry.is_regular_file()) fs::copy_file(entry.path(), inside / entry.path().filename(), fs::copy_options::overwrite_existing);
    }
  };
  guest_->write_file("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/packages ./\n", 0644);
  copy_packages();
  EXPECT_THAT(texts(resolve(kAlpha)), testing::ElementsAre("alpha 1.0 amd64", "beta 1.0 amd64"));
  archive_.add("beta", "2.0");
  copy_packages();
  EXPECT_THAT(texts(resolve(kAlpha)), testing::ElementsAre("alpha 1.0 amd64", "beta 2.0 amd64"));
}

TEST_F(Packages, AreUpgradedByTheLock) {
  apply(*guest_, kAlpha, context_, status_);
  archive_.add("beta", "2.0");
  begin_another_build();
  const PackagesStep upgrade{.upgrade = PackagesStep::Upgrade::yes};
  const PackageLock lock = lock_of(upgrade);
  EXPECT_THAT(texts(lock), testing::ElementsAre("beta 2.0 amd64"));
  install_packages(*guest_, upgrade, lock, context_, status_);
  EXPECT_EQ(guest_->read_file("/usr/share/beta/version"), "2.0\n");
}

TEST_F(Packages, AreTakenFromTheirFileAgainWhenTheOpenedOneIsDamaged) {
  const PackageLock lock = lock_of(kAlpha);
  install_packages(*guest_, kAlpha, lock, context_, status_);
  for (const auto& entry : fs::directory_iterator(context_.package_cache / "opened")) {
    io::write_all_at(io::open_for_update(entry.path()), "damaged", 100);
  }
  const std::unique_ptr<Guest> other = fresh("other");
  install_packages(*other, kAlpha, lock, context_, status_);
  EXPECT_EQ(other->read_file("/usr/share/beta/version"), "1.0\n");
}

TEST_F(Packages, AreRemovedWhetherInstalledOrNot) {
  apply(*guest_, kAlpha, context_, status_);
  const PackagesStep step{.install = {"gamma"}, .remove = {"alpha", "unattended-upgrades", "gcc"}};
  archive_.add("unattended-upgrades", "1.0");
  archive_.add("gcc", "1.0");
  begin_another_build();
  const PackageLock lock = lock_of(step);
  install_packages(*guest_, step, lock, context_, status_);
  EXPECT_FALSE(guest_->exists("/usr/share/alpha"));
  EXPECT_TRUE(guest_->exists("/usr/share/gamma/version"));
}

constexpr const char* kCure = "\nhint: make the lock anew: imgbuild lock --env FILE";

TEST_F(Packages, ALockThatLacksADependencyIsRefused) {
  PackageLock lock = lock_of(kAlpha);
  lock.pop_back();
  const std::string text = complaint(kAlpha, lock);
  EXPECT_THAT(text, testing::StartsWith("cannot do the step with the packages of the lock:\n"));
  EXPECT_THAT(text, testing::HasSubstr("alpha : Depends: beta but it is not installable"));
  EXPECT_THAT(text, testing::EndsWith(kCure));
  EXPECT_FALSE(guest_->exists("/usr/share/alpha"));
}

TEST_F(Packages, ALockThatLacksWhatTheStepNamesIsRefused) {
  const std::string text = complaint(PackagesStep{.install = {"alpha", "gamma"}}, lock_of(kAlpha));
  EXPECT_THAT(text, testing::HasSubstr("E: Unable to locate package gamma"));
  EXPECT_THAT(text, testing::EndsWith(kCure));
}

TEST_F(Packages, ALockWithOneTooManyIsRefused) {
  const PackageLock lock = lock_of(PackagesStep{.install = {"alpha", "gamma"}});
  EXPECT_EQ(complaint(kAlpha, lock), std::string("package 'gamma 1.0 amd64' of the lock would not be installed by this step") + kCure);
  EXPECT_FALSE(guest_->exists("/usr/share/alpha"));
}

TEST_F(Packages, ALockForAnotherArchitectureIsRefused) {
  PackageLock lock = lock_of(kAlpha);
  lock[1].architecture = "arm64";
  EXPECT_EQ(complaint(kAlpha, lock),
            std::string("package 'beta 1.0 arm64' of the lock is for another architecture than this tree, 'amd64'") + kCure);
}

TEST_F(Packages, AFileThatHoldsAnotherPackageIsRefused) {
  PackageLock lock = lock_of(kAlpha);
  lock[1].version = "1.1";
  EXPECT_EQ(complaint(kAlpha, lock), "package file 'beta_1.0_amd64.deb': holds 'beta 1.0 amd64', not 'beta 1.1 amd64' as the lock says");
}

TEST_F(Packages, AFileThatIsMissingOrDamagedIsRefused) {
  const PackageLock lock = lock_of(kAlpha);
  const std::string message = "package file 'beta_1.0_amd64.deb': is not in the cache, or damaged there\n"
                              "hint: build once with a network and without --locked, or import a bundle that has it";
  const fs::path kept = context_.package_cache / "packages" / (lock[1].sha256 + ".deb");
  io::remove_tree(context_.package_cache / "opened");
  io::write_all_at(io::open_for_update(kept), "damaged", 100);
  EXPECT_EQ(complaint(kAlpha, lock), message);
  io::remove_file(kept);
  EXPECT_EQ(complaint(kAlpha, lock), message);
}

}  // namespace
}  // namespace imgbuild
