#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "complaint.h"
#include "package_site.h"
#include "tree/packages.h"
#include "util/worker.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class PackageDownload : public testing::Test {
 protected:
  PackageDownload() : folder_(testing::TempDir(), "download") {
    context_.package_cache = folder_.path() / "store";
    context_.work = folder_.path() / "work";
  }

  [[nodiscard]] fs::path kept(const LockedPackage& package) const {
    return context_.package_cache / "packages" / (package.sha256 + ".deb");
  }

  std::string complaint(const PackageLock& lock) {
    return complaint_of([&] { fetch_packages(lock, context_, status_); });
  }

  io::TemporaryDirectory folder_;
  StepContext context_;
  SilentStatus status_;
  PackageSite site_;
};

constexpr const char* kNetworkHint = "\nhint: check the network, and the package sources of the base; try again later";

TEST_F(PackageDownload, PutsFilesIntoTheStoreAndAsksForThemOnce) {
  const PackageLock lock = {site_.publish("alpha", "bytes of alpha"), site_.publish("beta", std::string(300'000, 'b'))};
  fetch_packages(lock, context_, status_);
  fetch_packages(lock, context_, status_);
  EXPECT_EQ(io::read_file(kept(lock[0])), "bytes of alpha");
  EXPECT_EQ(sha256_file(kept(lock[1])), lock[1].sha256);
  EXPECT_EQ(site_.requests("alpha_1_all.deb"), 1U);
  EXPECT_THAT(missing_packages(lock, context_), testing::IsEmpty());
}

TEST_F(PackageDownload, BringsOnlyWhatIsMissingOrDamaged) {
  const PackageLock lock = {site_.publish("alpha", "bytes of alpha"), site_.publish("beta", "bytes of beta")};
  fetch_packages(lock, context_, status_);
  io::write_file(kept(lock[1]), "bytes of bexa", 0644);
  EXPECT_THAT(missing_packages(lock, context_), testing::ElementsAre(lock[1]));
  fetch_packages(lock, context_, status_);
  EXPECT_EQ(io::read_file(kept(lock[1])), "bytes of beta");
  EXPECT_EQ(site_.requests("alpha_1_all.deb"), 1U);
  EXPECT_EQ(site_.requests("beta_1_all.deb"), 2U);
}

TEST_F(PackageDownload, RunsSeveralAtOnce) {
  PackageLock lock;
  for (int i = 0; i < 8; ++i) {
    lock.push_back(site_.publish(fmt::format("p{}", i), fmt::format("bytes {}", i)));
    site_.misbehave(lock.back().file, R"({"wait": 0.5})");
  }
  const auto start = std::chrono::steady_clock::now();
  fetch_packages(lock, context_, status_);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));  // 4 s one after the other
}

TEST_F(PackageDownload, LetsTwoBuildsDownloadAFileOnce) {
  const PackageLock lock = {site_.publish("alpha", "bytes of alpha"), site_.publish("beta", "bytes of beta")};
  site_.misbehave(lock[0].file, R"({"wait": 0.5})");
  const auto work = [&](Status& status) {
    fetch_packages(lock, context_, status);
    return std::string("done");
  };
  SilentStatus quiet;
  EXPECT_THAT(run_jobs({{.name = "one", .work = work, .status = &quiet}, {.name = "two", .work = work, .status = &quiet}}, 2),
              testing::ElementsAre("done", "done"));
  EXPECT_EQ(site_.requests(lock[0].file), 1U);
  EXPECT_EQ(site_.requests(lock[1].file), 1U);
}

TEST_F(PackageDownload, TriesAgainWhatMayPass) {
  const PackageLock lock = {site_.publish("alpha", "bytes of alpha"), site_.publish("beta", "bytes of beta")};
  site_.misbehave(lock[0].file, R"({"times": 2, "status": 503})");
  site_.misbehave(lock[1].file, R"({"times": 1, "send": 5})");
  fetch_packages(lock, context_, status_);
  EXPECT_EQ(site_.requests(lock[0].file), 3U);
  EXPECT_EQ(io::read_file(kept(lock[1])), "bytes of beta");
}

TEST_F(PackageDownload, GivesUpAfterFourAttempts) {
  const PackageLock lock = {site_.publish("alpha", "bytes of alpha")};
  site_.misbehave(lock[0].file, R"({"status": 503})");
  EXPECT_EQ(complaint(lock), lock[0].uri + ": the server answers with status 503" + kNetworkHint);
  EXPECT_EQ(site_.requests(lock[0].file), 4U);
}

TEST_F(PackageDownload, SaysAtOnceWhatTheServerHasNot) {
  LockedPackage gone = site_.publish("alpha", "bytes of alpha");
  io::remove_file(site_.folder() / gone.file);
  EXPECT_EQ(complaint({gone}), gone.uri + ": the server answers with status 404" + kNetworkHint);
  EXPECT_EQ(site_.requests(gone.file), 1U);
}

TEST_F(PackageDownload, RefusesAnotherContentAndKeepsNothingOfIt) {
  const LockedPackage package = site_.publish("alpha", "bytes of alpha");
  io::write_file(site_.folder() / package.file, "bytes of alphX", 0644);
  EXPECT_EQ(complaint({package}), package.uri + ": has SHA-256 " + sha256("bytes of alphX") + ", expected " + package.sha256);
  EXPECT_FALSE(fs::exists(kept(package)));
  io::write_file(site_.folder() / package.file, "bytes of alpha and more", 0644);
  EXPECT_EQ(complaint({package}), package.uri + ": is longer than the 14 bytes it should have");
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(context_.package_cache / "packages")) left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::ElementsAre(".lock"));
}

TEST_F(PackageDownload, SaysWhenThereIsNoConnection) {
  const LockedPackage package = site_.publish("alpha", "bytes of alpha");
  site_.stop();
  EXPECT_EQ(complaint({package}), package.uri + ": Couldn't connect to server" + kNetworkHint);
}

TEST_F(PackageDownload, ReadsNoFileOfTheHost) {
  LockedPackage package = site_.publish("alpha", "bytes of alpha");
  package.uri = "file:///etc/hostname";
  EXPECT_EQ(complaint({package}), "package file 'alpha_1_all.deb': can't be got from 'file:///etc/hostname', only from http and https");
}

}  // namespace
}  // namespace imgbuild
