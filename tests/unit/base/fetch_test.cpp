#include "base/fetch.h"

#include <gtest/gtest.h>

#include <csignal>

#include "unit/base/release_site.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

const std::string kCheck = "\nhint: check the network, https_proxy, or name a mirror with --mirror or IMGBUILD_MIRROR";

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
                "'\nhint: the newest is serial 20260301 with SHA-256 '" + sha256(ReleaseSite::content()) + "'");
}

TEST(Fetch, RefusesADigestThatIsNone) {
  ReleaseSite site;
  site.options.pinned_sha256 = "ABC";
  EXPECT_EQ(site.refusal(ExitCode::bad_input), "pinned digest 'ABC': is no SHA-256 (64 lower-case hex digits)");
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
  EXPECT_EQ(site.refusal(ExitCode::bad_input), "mirror 'http://mirror.example.org/ubuntu': only https is allowed");
}

TEST(Fetch, GoesThroughTheProxyGiven) {
  ReleaseSite site;
  site.publish_signed();
  site.options.proxy = "http://127.0.0.1:1";
  EXPECT_EQ(site.refusal(ExitCode::network), "SITE/streams/v1/test.sjson: no connection to the server" + kCheck);
}

TEST(Fetch, RefusesAServerWithACertificateOfAStranger) {
  ReleaseSite site;
  site.publish_signed();
  site.options.ca_file = "";
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: the server is not trusted: SSL certificate problem: unable to get local issuer "
            "certificate\nhint: for a mirror or proxy with a certificate of your own set IMGBUILD_CA_FILE");
}

// Signatures.

TEST(Fetch, RefusesAnIndexOfAForeignKey) {
  ReleaseSite site;
  site.publish();
  site.sign({.key = TestKey::foreign});
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: it is signed by the foreign key '" + public_key(TestKey::foreign).fingerprint.substr(24) +
                "', not by '" + site.source.key.fingerprint + "'");
}

TEST(Fetch, RefusesAnIndexOfAnExpiredKey) {
  ReleaseSite site;
  site.source.key = public_key(TestKey::expired);
  site.publish();
  site.sign({.key = TestKey::expired, .time = "20150601T000000"});
  EXPECT_EQ(site.refusal(ExitCode::verification_failed), "SITE/streams/v1/test.sjson: it is signed by a key that has expired");
}

TEST(Fetch, RefusesAnIndexOfARevokedKey) {
  ReleaseSite site;
  site.source.key = public_key(TestKey::revoked);
  site.publish();
  site.sign({.key = TestKey::revoked});
  EXPECT_EQ(site.refusal(ExitCode::verification_failed), "SITE/streams/v1/test.sjson: it is signed by a key that has been revoked");
}

TEST(Fetch, RefusesATamperedIndex) {
  ReleaseSite site;
  site.publish_signed();
  std::string index = site.read(kIndexPath);
  index.replace(index.find("20260301"), 8, "20260302");
  site.write(kIndexPath, index);
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: its signature is wrong: it is not what was signed");
}

TEST(Fetch, RefusesAnUnsignedIndex) {
  ReleaseSite site;
  site.publish_signed();
  site.write(kIndexPath, "{\"format\": \"products:1.0\"}\n");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed), "SITE/streams/v1/test.sjson: it holds no signature");
}

TEST(Fetch, AsksForNothingElseBeforeTheIndexIsBelieved) {
  ReleaseSite site;
  site.publish();
  site.sign({.key = TestKey::foreign});
  (void)site.refusal(ExitCode::verification_failed);
  EXPECT_EQ(site.requests(ReleaseSite::sums()).size() + site.requests(ReleaseSite::image()).size(), 0u);
}

TEST(Fetch, RefusesChecksumsWithoutTheirSignature) {
  ReleaseSite site;
  site.publish_signed();
  site.remove(ReleaseSite::sums() + ".gpg");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/server/release-20260301/SHA256SUMS.gpg: the server has no such file, and nothing is accepted unsigned");
}

TEST(Fetch, RefusesTamperedChecksums) {
  ReleaseSite site;
  site.publish_signed();
  site.write(ReleaseSite::sums(), site.read(ReleaseSite::sums()) + std::string(64, 'a') + " *more.img\n");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/server/release-20260301/SHA256SUMS: its signature is wrong: it is not what was signed");
}

TEST(Fetch, RefusesSignedChecksumsOfAnotherImage) {
  ReleaseSite site;
  site.publish();
  site.write(ReleaseSite::sums(), std::string(64, 'a') + " *disk-amd64.img\n");
  site.sign();
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/server/release-20260301/SHA256SUMS: says SHA-256 '" + std::string(64, 'a') +
                "' of 'disk-amd64.img', but the index says '" + sha256(ReleaseSite::content()) + "'");
}

TEST(Fetch, RefusesSignedChecksumsWithTwoLinesForOneName) {
  ReleaseSite site;
  site.publish();
  site.write(ReleaseSite::sums(), site.read(ReleaseSite::sums()) + std::string(64, 'a') + " *disk-amd64.img\n");
  site.sign();
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/server/release-20260301/SHA256SUMS:3: 'disk-amd64.img' is listed twice");
}

TEST(Fetch, RefusesSignedChecksumsThatDoNotListTheImage) {
  ReleaseSite site;
  site.publish();
  site.write(ReleaseSite::sums(), std::string(64, 'a') + " *other.img\n");
  site.sign();
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/server/release-20260301/SHA256SUMS: does not list 'disk-amd64.img'");
}

// Old statements.

TEST(Fetch, RefusesAnIndexOlderThanOneSeen) {
  ReleaseSite site;
  site.publish({.serial = "20260201"});
  site.sign();
  const std::string old_index = site.read(kIndexPath);
  site.publish_signed({.serial = "20260301"});
  EXPECT_EQ(site.fetch_serial(), "20260301");
  site.write(kIndexPath, old_index);
  EXPECT_EQ(site.fetch_serial(),
            "SITE/streams/v1/test.sjson: its newest serial is 20260201, but 20260301 was seen before\nhint: --allow-old accepts it");
}

TEST(Fetch, RemembersTheNewestSerialSeenEvenIfItsImageNeverCame) {
  ReleaseSite site;
  site.publish({.serial = "20260201"});
  site.sign();
  const std::string old_index = site.read(kIndexPath);
  site.publish_signed({.serial = "20260301"});
  site.remove(ReleaseSite::image());
  EXPECT_EQ(site.refusal(ExitCode::network), "SITE/" + ReleaseSite::image() + ": the server answers with status 404");
  site.write(kIndexPath, old_index);
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: its newest serial is 20260201, but 20260301 was seen before\nhint: --allow-old accepts it");
}

TEST(Fetch, AcceptsAnOlderIndexWhenToldToAndSaysSo) {
  ReleaseSite site;
  site.publish({.serial = "20260201"});
  site.sign();
  const std::string old_index = site.read(kIndexPath);
  site.publish_signed({.serial = "20260301"});
  EXPECT_EQ(site.fetch_serial(), "20260301");
  site.write(kIndexPath, old_index);
  site.options.allow_old = FetchOptions::AllowOld::yes;
  EXPECT_EQ(site.fetch_serial(), "20260201");
  EXPECT_EQ(site.shortened(site.status.notes.at(0)),
            "SITE/streams/v1/test.sjson: its newest serial is 20260201, but 20260301 was seen before, allowed by --allow-old");
}

TEST(Fetch, RefusesAFrozenIndex) {
  ReleaseSite site;
  site.publish();
  site.sign({.time = "20260101T000000"});
  site.options.max_age = std::chrono::hours(24);
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: was signed more than 1 days ago\nhint: --allow-old accepts it");
}

TEST(Fetch, RefusesToForgetWhatItSaw) {
  ReleaseSite site;
  site.publish_signed();
  EXPECT_EQ(site.fetch_serial(), "20260301");
  io::write_file(site.options.cache / "downloads/test.json", "{}", 0600);
  EXPECT_EQ(site.fetch_serial(), (site.options.cache / "downloads/test.json").native() +
                                     ": is damaged\nhint: remove it; imgbuild then no longer knows which serial of the base "
                                     "was the newest it saw");
}

// Without a network.

TEST(Fetch, UsesTheCacheWhenTheServerIsGone) {
  ReleaseSite site;
  site.publish_signed();
  EXPECT_EQ(site.fetch_serial(), "20260301");
  site.treat(kIndexPath, R"({"drop": true})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.shortened(site.status.notes.back()),
            "SITE/streams/v1/test.sjson: the connection broke after 0 bytes; using serial 20260301 of 'test' from the cache");
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
  EXPECT_EQ(site.refusal(ExitCode::network), "base 'test': is not in the cache, and the network is not to be used");
}

TEST(Fetch, UsesNoDamagedImageWithoutANetwork) {
  ReleaseSite site;
  site.publish_signed();
  const VerifiedDisk disk = site.fetch_disk();
  io::remove_file(disk.path);
  io::write_file(disk.path, "flipped", 0600);
  site.options.network = FetchOptions::Network::no;
  EXPECT_EQ(site.refusal(ExitCode::network), "base 'test': is not in the cache, and the network is not to be used");
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

// Sources that sign nothing.

BaseSource pinned_source(const ReleaseSite& site) {
  return {.name = "test",
          .base_url = site.source.base_url,
          .trust = BaseSource::Trust::pinned_digest,
          .image_path = "server/release-{serial}/disk-amd64.img"};
}

TEST(Fetch, RefusesAnUnsignedSourceWithoutAPin) {
  ReleaseSite site;
  site.source = pinned_source(site);
  site.source.base_url = "https://example.org/";
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "base 'test': its publisher signs nothing, so only a serial with a SHA-256 pinned by you is accepted\n"
            "hint: choose a serial at https://example.org/, have its image's SHA-256 from somebody you trust, and give both");
}

TEST(Fetch, AcceptsAnUnsignedSourceByItsPin) {
  ReleaseSite site;
  site.publish();
  site.source = pinned_source(site);
  site.options.serial = "20260301";
  site.options.pinned_sha256 = sha256(ReleaseSite::content());
  const VerifiedDisk disk = site.fetch_disk();
  EXPECT_EQ(disk.signer, "");
  EXPECT_EQ(disk.size, ByteSize{200'000});
}

TEST(Fetch, RefusesAnUnsignedImageWithAnotherDigest) {
  ReleaseSite site;
  site.publish();
  site.source = pinned_source(site);
  site.options.serial = "20260301";
  site.options.pinned_sha256 = std::string(64, 'a');
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + ReleaseSite::image() + ": has the SHA-256 '" + sha256(ReleaseSite::content()) + "', but '" +
                std::string(64, 'a') + "' is expected");
}

TEST(Fetch, NeedsNoNetworkForAPinInTheCache) {
  ReleaseSite site;
  site.publish();
  site.source = pinned_source(site);
  site.options.serial = "20260301";
  site.options.pinned_sha256 = sha256(ReleaseSite::content());
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.fetch_serial(), "20260301");
  EXPECT_EQ(site.requests(ReleaseSite::image()).size(), 1u);
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
