#include "tree/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "guest/tree/base_tree.h"
#include "tree/generalize.h"
#include "tree/native_guest.h"
#include "tree/tree_listing.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t kEpoch = 1'700'000'000;
const fs::path kWork = fs::path(IMGBUILD_BINARY_DIR) / "test-work";

class ApplyForReal : public testing::Test {
 protected:
  ApplyForReal() : folder_(kWork, "apply"), tree_(folder_.path() / "tree") {
    make_base_tree(tree_);
    guest_ = make_native_guest({.tree = tree_, .source_date_epoch = kEpoch});
    context_.package_cache = package_cache();
    context_.work = folder_.path() / "work";
  }

  fs::path host_file(const std::string& name, const std::string& content) {
    io::write_file(folder_.path() / name, content, 0644);
    return folder_.path() / name;
  }

  io::TemporaryDirectory folder_;
  fs::path tree_;
  std::unique_ptr<Guest> guest_;
  StepContext context_;
  SilentStatus status_;
};

TEST_F(ApplyForReal, InstallsPackagesAndLeavesNothingOfTheBuild) {
  apply(*guest_, PackagesStep{.install = {"nginx-light"}}, context_, status_);
  const std::vector<InstalledPackage> installed = installed_packages(*guest_);
  EXPECT_TRUE(std::any_of(installed.begin(), installed.end(), [](const auto& package) { return package.name == "nginx-light"; }));
  EXPECT_FALSE(guest_->exists("/usr/sbin/policy-rc.d"));
  EXPECT_FALSE(guest_->exists("/etc/postgresql-common"));
  EXPECT_THAT(guest_->list("/var/cache/apt/archives/*.deb"), testing::IsEmpty());
}

TEST_F(ApplyForReal, HoldsServicesDown) {
  guest_->write_file("/etc/init.d/probe", "#!/bin/sh\ntouch /etc/started-$1\n", 0755);
  apply(*guest_, RunStep{.script = host_file("x.sh", "invoke-rc.d probe start\n/etc/init.d/probe directly\n")}, context_, status_);
  EXPECT_THAT(guest_->list("/etc/started-*"), testing::ElementsAre("/etc/started-directly"));
}

TEST_F(ApplyForReal, DownloadsNothingTheSecondTime) {
  apply(*guest_, PackagesStep{.install = {"rsync"}}, context_, status_);
  std::map<fs::path, fs::file_time_type> before;
  for (const auto& entry : fs::directory_iterator(package_cache() / "packages")) before[entry.path()] = entry.last_write_time();
  fs::remove_all(tree_);
  make_base_tree(tree_);
  guest_ = make_native_guest({.tree = tree_, .source_date_epoch = kEpoch});
  apply(*guest_, PackagesStep{.install = {"rsync"}}, context_, status_);
  std::map<fs::path, fs::file_time_type> after;
  for (const auto& entry : fs::directory_iterator(package_cache() / "packages")) after[entry.path()] = entry.last_write_time();
  EXPECT_EQ(before, after);
}

TEST_F(ApplyForReal, DoesNotTrustADamagedPackageInTheCache) {
  context_.package_cache = folder_.path() / "own-cache";
  apply(*guest_, PackagesStep{.install = {"rsync"}}, context_, status_);
  for (const auto& entry : fs::directory_iterator(context_.package_cache / "packages")) {
    const io::File file = io::open_for_update(entry.path());
    io::write_all_at(file, "damaged", 100);
  }
  fs::remove_all(tree_);
  make_base_tree(tree_);
  guest_ = make_native_guest({.tree = tree_, .source_date_epoch = kEpoch});
  apply(*guest_, PackagesStep{.install = {"rsync"}}, context_, status_);
  EXPECT_TRUE(guest_->exists("/usr/bin/rsync"));
}

TEST_F(ApplyForReal, RemovesPackages) {
  apply(*guest_, PackagesStep{.remove = {"systemd-sysv"}}, context_, status_);
  EXPECT_FALSE(guest_->exists("/usr/sbin/init"));
}

TEST_F(ApplyForReal, NamesAPackageThatDoesNotExist) {
  try {
    apply(*guest_, PackagesStep{.install = {"nginxx"}}, context_, status_);
    FAIL() << "was installed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_THAT(error.what(), testing::HasSubstr("E: Unable to locate package nginxx"));
  }
}

TEST_F(ApplyForReal, SaysWhenTheMirrorIsDown) {
  guest_->write_file("/etc/apt/sources.list", "deb http://127.0.0.1:9/debian bookworm main\n", 0644);
  try {
    apply(*guest_, PackagesStep{.install = {"rsync"}}, context_, status_);
    FAIL() << "was installed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::network);
    EXPECT_THAT(error.what(), testing::HasSubstr("127.0.0.1"));
  }
}

TEST_F(ApplyForReal, SaysWhatAFailingPostinstSaid) {
  guest_->write_file("/usr/sbin/adduser", "#!/bin/sh\necho the disk of users is full\nexit 1\n", 0755);
  try {
    apply(*guest_, PackagesStep{.install = {"chrony"}}, context_, status_);
    FAIL() << "was installed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::step_failed);
    EXPECT_THAT(error.what(), testing::StartsWith("cannot install the packages:\n"));
    EXPECT_THAT(error.what(), testing::HasSubstr("the disk of users is full"));
  }
}

TEST_F(ApplyForReal, RunsAScriptInsideTheTree) {
  apply(*guest_, RunStep{.script = host_file("x.sh", "echo \"$PWD $(id -u)\" > /etc/made\n")}, context_, status_);
  EXPECT_EQ(guest_->read_file("/etc/made"), "/ 0\n");
  EXPECT_FALSE(guest_->exists("/.imgbuild"));
}

TEST_F(ApplyForReal, EnablesAndMasksServices) {
  guest_->write_file("/etc/systemd/system/app.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n", 0644);
  apply(*guest_, ServicesStep{.enable = {"app"}, .mask = {"apt-daily.timer"}}, context_, status_);
  EXPECT_TRUE(guest_->exists("/etc/systemd/system/multi-user.target.wants/app.service"));
  EXPECT_EQ(fs::read_symlink(tree_ / "etc/systemd/system/apt-daily.timer"), "/dev/null");
}

/// A whole build in a folder; returns what came out.
std::vector<TreeRecord> build(const fs::path& folder) {
  const fs::path tree = folder / "tree";
  make_base_tree(tree);
  const std::unique_ptr<Guest> guest = make_native_guest({.tree = tree, .source_date_epoch = kEpoch});
  SilentStatus status;
  apply(*guest, PackagesStep{.install = {"nginx", "postgresql", "python3-jinja2"}},
        {.package_cache = package_cache(), .work = folder / "work"}, status);
  generalize(tree, kEpoch, status);
  return tree_listing(tree);
}

TEST(TwoBuilds, GiveTheSameTreeWhateverTheTimeFolderLocaleAndUmask) {
  const io::TemporaryDirectory first(kWork, "first");
  const io::TemporaryDirectory second(kWork, "another-folder-with-a-longer-name");
  const std::vector<TreeRecord> before = build(first.path());
  ::setenv("TZ", "Asia/Tokyo", 1);
  ::setenv("LC_ALL", "de_DE.UTF-8", 1);
  const mode_t mask = ::umask(0077);
  const std::vector<TreeRecord> after = build(second.path());
  ::umask(mask);
  ::unsetenv("TZ");
  ::unsetenv("LC_ALL");
  EXPECT_THAT(difference(before, after), testing::IsEmpty());
  EXPECT_GT(before.size(), 5000U);
}

}  // namespace
}  // namespace imgbuild
