#include "base/fetch.h"

#include <gtest/gtest.h>

#include "unit/base/release_site.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

const std::string kCheck =
    "\nhint: check the network, https_proxy, or name a mirror with --mirror or IMGBUILD_MIRROR";

// What is accepted.

TEST(Fetch, GivesTheNewestRelease) {
  ReleaseSite site;
  site.publish({.serial = "20260301"});
  site.publish({.serial = "20260301.10"});
  site.publish({.serial = "20260301.9"});
  site.publish({.serial = "20260401", .label = "daily"});
  site.sign();
  EXPECT_EQ(site.fetch_serial(), "20260301.10");
}

TEST(Fetch, DescribesWhatItGives) {
  ReleaseSite site;
  site.publish_signed();
  const VerifiedDisk disk = site.fetch_disk();
  EXPECT_EQ(disk.sha256, sha256(ReleaseSite::content()));
  EXPECT_EQ(disk.path, site.options.cache / "downloads" / disk.sha256);
  EXPECT_EQ(disk.serial, "20260301");
  EXPECT_EQ(site.shortened(disk.url), "SITE/" + ReleaseSite::image());
  EXPECT_EQ(disk.signer, public_key(TestKey::good).fingerprint);
  EXPECT_EQ(disk.size, ByteSize{200'000});
  EXPECT_EQ(io::read_file(disk.path), ReleaseSite::content());
}

TEST(Fetch, LeavesTheImageAndItsRecordOnly) {
  ReleaseSite site;
  site.publish_signed();
  const VerifiedDisk disk = site.fetch_disk();
  EXPECT_EQ(site.downloads(), (Texts{disk.sha256, "test.json"}));
  EXPECT_EQ(fs::status(disk.path).permissions(), fs::perms::owner_read);
  EXPECT_EQ(fs::status(site.options.cache / "downloads").permissions(), fs::perms::owner_all);
}

TEST(Fetch, KeepsTheVerifiedBytesOpenWhateverBecomesOfThePath) {
  ReleaseSite site;
  site.publish_signed();
  const VerifiedDisk disk = site.fetch_disk();
  io::remove_file(disk.path);
  io::write_file(disk.path, "swapped", 0600);
  EXPECT_EQ(sha256_file(fmt::format("/proc/self/fd/{}", disk.file->fd())), disk.sha256);
}

TEST(Fetch, TellsItsStagesAndBytes) {
  ReleaseSite site;
  site.publish_signed();
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.status.stages, (Texts{"looking for the newest test", "downloading test 20260301"}));
  EXPECT_EQ(site.status.last_done, 200'000u);
  EXPECT_EQ(site.status.last_total, 200'000u);
}

TEST(Fetch, DownloadsAnImageOnce) {
  ReleaseSite site;
  site.publish_signed();
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.requests(ReleaseSite::image()).size(), 1u);
}

TEST(Fetch, DownloadsADamagedImageAgain) {
  ReleaseSite site;
  site.publish_signed();
  const VerifiedDisk disk = site.fetch_disk();
  io::remove_file(disk.path);
  io::write_file(disk.path, "flipped", 0600);
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.status.notes, Texts{disk.path.native() + ": was damaged, removing it"});
}

TEST(Fetch, FollowsNoLinkInTheCache) {
  ReleaseSite site;
  site.publish_signed();
  const VerifiedDisk disk = site.fetch_disk();
  const fs::path elsewhere = site.options.cache / "elsewhere";
  io::rename(disk.path, elsewhere);
  fs::create_symlink(elsewhere, disk.path);
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(disk.path)));
}

TEST(Fetch, TakesTheSerialAskedFor) {
  ReleaseSite site;
  site.publish({.serial = "20260201"});
  site.publish({.serial = "20260301"});
  site.sign();
  site.options.serial = "20260201";
  EXPECT_EQ(site.fetch_serial(), "20260201");
}

TEST(Fetch, TakesTheDigestAskedFor) {
  ReleaseSite site;
  site.publish({.serial = "20260201"});
  site.publish({.serial = "20260301"});
  site.sign();
  site.options.pinned_sha256 = sha256(ReleaseSite::content("20260201"));
  EXPECT_EQ(site.fetch_serial(), "20260201");
}

TEST(Fetch, RefusesADigestThatWasNeverReleased) {
  ReleaseSite site;
  site.publish_signed();
  site.options.pinned_sha256 = std::string(64, 'a');
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: has no release of 'test' with SHA-256 '" + std::string(64, 'a') +
                "'\nhint: the newest is serial 20260301 with SHA-256 '" + sha256(ReleaseSite::content()) +
                "'");
}

TEST(Fetch, RefusesADigestThatIsNone) {
  ReleaseSite site;
  site.options.pinned_sha256 = "ABC";
  EXPECT_EQ(site.refusal(ExitCode::bad_input),
            "pinned digest 'ABC': is no SHA-256 (64 lower-case hex digits)");
}

TEST(Fetch, TakesAMirrorInThePlaceOfTheSite) {
  ReleaseSite site;
  site.publish_signed();
  site.options.mirror = site.source.base_url.substr(0, site.source.base_url.size() - 1);
  site.source.base_url = "https://unreachable.invalid/";
  EXPECT_EQ(site.fetch_serial(), "20260301");
}

TEST(Fetch, RefusesAMirrorWithoutTls) {
  ReleaseSite site;
  site.options.mirror = "http://mirror.example.org/ubuntu";
  EXPECT_EQ(site.refusal(ExitCode::bad_input),
            "mirror 'http://mirror.example.org/ubuntu': only https is allowed");
}

TEST(Fetch, GoesThroughTheProxyGiven) {
  ReleaseSite site;
  site.publish_signed();
  site.options.proxy = "http://127.0.0.1:1";
  EXPECT_EQ(site.refusal(ExitCode::network),
            "SITE/streams/v1/test.sjson: no connection to the server" + kCheck);
}

TEST(Fetch, RefusesAServerWithACertificateOfAStranger) {
  ReleaseSite site;
  site.publish_signed();
  site.options.ca_file = "";
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: the server is not trusted: SSL certificate problem: unable to get "
            "local issuer "
            "certificate\nhint: for a mirror or proxy with a certificate of your own set IMGBUILD_CA_FILE");
}

// Without a network.

TEST(Fetch, UsesTheCacheWhenTheServerIsGone) {
  ReleaseSite site;
  site.publish_signed();
  EXPECT_EQ(site.fetch_serial(), "20260301");
  site.treat(kIndexPath, R"({"drop": true})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.shortened(site.status.notes.back()),
            "SITE/streams/v1/test.sjson: the connection broke after 0 bytes; using serial 20260301 of 'test' "
            "from the cache");
}

TEST(Fetch, UsesNoCacheAfterARefusal) {
  ReleaseSite site;
  site.publish_signed();
  EXPECT_EQ(site.fetch_serial(), "20260301");
  site.write(kIndexPath, "unsigned\n");
  EXPECT_EQ(site.fetch_serial(), "SITE/streams/v1/test.sjson: it holds no signature");
}

TEST(Fetch, AsksNobodyWhenToldNotTo) {
  ReleaseSite site;
  site.publish_signed();
  EXPECT_EQ(site.fetch_serial(), "20260301");
  site.options.network = FetchOptions::Network::no;
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.requests(kIndexPath).size(), 1u);
}

TEST(Fetch, SaysWhenTheCacheHasNothing) {
  ReleaseSite site;
  site.options.network = FetchOptions::Network::no;
  EXPECT_EQ(site.refusal(ExitCode::network),
            "base 'test': is not in the cache, and the network is not to be used");
}

TEST(Fetch, UsesNoDamagedImageWithoutANetwork) {
  ReleaseSite site;
  site.publish_signed();
  const VerifiedDisk disk = site.fetch_disk();
  io::remove_file(disk.path);
  io::write_file(disk.path, "flipped", 0600);
  site.options.network = FetchOptions::Network::no;
  EXPECT_EQ(site.refusal(ExitCode::network),
            "base 'test': is not in the cache, and the network is not to be used");
}

TEST(Fetch, UsesNoCachedImageWhoseIndexIsTooOld) {
  ReleaseSite site;
  site.publish();
  site.sign({.time = "20260101T000000"});
  site.options.max_age = std::chrono::hours(24 * 36500);
  EXPECT_EQ(site.fetch_serial(), "20260301");
  site.options.max_age = std::chrono::hours(24);
  site.options.network = FetchOptions::Network::no;
  EXPECT_EQ(site.fetch_serial(), "base 'test': is not in the cache, and the network is not to be used");
}

// The table.

TEST(BaseSources, AreSortedAndFoundByName) {
  Texts names;
  for (const BaseSource& source : list_sources()) names.push_back(source.name);
  EXPECT_EQ(names, (Texts{"debian-12", "ubuntu-22.04", "ubuntu-24.04"}));
  EXPECT_EQ(find_source("ubuntu-24.04")->product, "com.ubuntu.cloud:server:24.04:amd64");
  EXPECT_EQ(find_source("ubuntu-99"), nullptr);
}

TEST(FetchOptions, AreFilledFromTheEnvironmentWhereEmpty) {
  ::setenv("IMGBUILD_MIRROR", "https://mirror.example.org/", 1);
  ::setenv("IMGBUILD_CA_FILE", "/ca.pem", 1);
  FetchOptions options;
  apply_environment(options);
  FetchOptions given = {.mirror = "https://given.example.org/"};
  apply_environment(given);
  ::unsetenv("IMGBUILD_MIRROR");
  ::unsetenv("IMGBUILD_CA_FILE");
  EXPECT_EQ(options.mirror, "https://mirror.example.org/");
  EXPECT_EQ(options.ca_file, "/ca.pem");
  EXPECT_EQ(given.mirror, "https://given.example.org/");
}

}  // namespace
}  // namespace imgbuild
