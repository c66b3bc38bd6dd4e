// What a fetch believes, and what not.
#include <gtest/gtest.h>

#include "base/fetch.h"
#include "unit/base/release_site.h"
#include "util/digest.h"

namespace imgbuild {
namespace {

// Signatures.

TEST(Fetch, RefusesAnIndexOfAForeignKey) {
  ReleaseSite site;
  site.publish();
  site.sign({.key = TestKey::foreign});
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: it is signed by the foreign key '" +
                public_key(TestKey::foreign).fingerprint.substr(24) + "', not by '" +
                site.source.key.fingerprint + "'");
}

TEST(Fetch, RefusesAnIndexOfAnExpiredKey) {
  ReleaseSite site;
  site.source.key = public_key(TestKey::expired);
  site.publish();
  site.sign({.key = TestKey::expired, .time = "20150601T000000"});
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: it is signed by a key that has expired");
}

TEST(Fetch, RefusesAnIndexOfARevokedKey) {
  ReleaseSite site;
  site.source.key = public_key(TestKey::revoked);
  site.publish();
  site.sign({.key = TestKey::revoked});
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: it is signed by a key that has been revoked");
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
            "SITE/server/release-20260301/SHA256SUMS.gpg: the server has no such file, and nothing is "
            "accepted unsigned");
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
  site.write(ReleaseSite::sums(),
             site.read(ReleaseSite::sums()) + std::string(64, 'a') + " *disk-amd64.img\n");
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
            "SITE/streams/v1/test.sjson: its newest serial is 20260201, but 20260301 was seen before\nhint: "
            "--allow-old accepts it");
}

TEST(Fetch, RemembersTheNewestSerialSeenEvenIfItsImageNeverCame) {
  ReleaseSite site;
  site.publish({.serial = "20260201"});
  site.sign();
  const std::string old_index = site.read(kIndexPath);
  site.publish_signed({.serial = "20260301"});
  site.remove(ReleaseSite::image());
  EXPECT_EQ(site.refusal(ExitCode::network),
            "SITE/" + ReleaseSite::image() + ": the server answers with status 404");
  site.write(kIndexPath, old_index);
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: its newest serial is 20260201, but 20260301 was seen before\nhint: "
            "--allow-old accepts it");
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
            "SITE/streams/v1/test.sjson: its newest serial is 20260201, but 20260301 was seen before, "
            "allowed by --allow-old");
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
  EXPECT_EQ(site.fetch_serial(),
            (site.options.cache / "downloads/test.json").native() +
                ": is damaged\nhint: remove it; imgbuild then no longer knows which serial of the base "
                "was the newest it saw");
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
  EXPECT_EQ(
      site.refusal(ExitCode::verification_failed),
      "base 'test': its publisher signs nothing, so only a serial with a SHA-256 pinned by you is accepted\n"
      "hint: choose a serial at https://example.org/, have its image's SHA-256 from somebody you trust, and "
      "give both");
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
            "SITE/" + ReleaseSite::image() + ": has the SHA-256 '" + sha256(ReleaseSite::content()) +
                "', but '" + std::string(64, 'a') + "' is expected");
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

}  // namespace
}  // namespace imgbuild
