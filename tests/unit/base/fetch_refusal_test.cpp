// Servers that lie: what a fetch refuses at once.
#include <gtest/gtest.h>

#include "base/fetch.h"
#include "unit/base/release_site.h"
#include "util/digest.h"

namespace imgbuild {
namespace {

// What is refused at once.

TEST(Transfer, RefusesATamperedImage) {
  TreatedImage site(R"({"swap": "tampered.img"})");
  std::string tampered = ReleaseSite::content();
  tampered[1000] ^= 1;
  site.write("server/release-20260301/tampered.img", tampered);
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": has the SHA-256 '" + sha256(tampered) + "', but '" +
                sha256(ReleaseSite::content()) + "' is expected");
  EXPECT_EQ(site.requests(kImage).size(), 1u);
}

TEST(Transfer, RefusesAnImageMixedFromTwo) {
  TreatedImage site(R"({"send": 50000, "swap": "other.img", "times": 1})");
  const std::string other(200'000, 'x');
  site.write("server/release-20260301/other.img", other);
  const std::string mixed = other.substr(0, 50'000) + ReleaseSite::content().substr(50'000);
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": has the SHA-256 '" + sha256(mixed) + "', but '" +
                sha256(ReleaseSite::content()) + "' is expected");
}

TEST(Transfer, RefusesAnImageLongerThanPublished) {
  TreatedImage site(R"({"append": "more"})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": the server has 200004 bytes, but 200000 were published");
}

TEST(Transfer, RefusesAnImageLongerThanPublishedThatHidesIt) {
  TreatedImage site(R"({"append": "more", "chunked": true})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": the server sends more than the 200000 bytes published");
}

TEST(Transfer, RefusesAWrongContentLength) {
  TreatedImage site(R"({"length": 100000})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": the server has 100000 bytes, but 200000 were published");
}

TEST(Transfer, RefusesAnEndlessImage) {
  TreatedImage site(R"({"endless": true})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": the server sends more than the 200000 bytes published");
}

TEST(Transfer, RefusesAnEndlessIndex) {
  ReleaseSite site;
  site.publish_signed();
  site.treat(kIndexPath, R"({"endless": true})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed), "SITE/streams/v1/test.sjson: is longer than 64 MiB");
}

TEST(Transfer, RefusesAnIndexThatAnnouncesTooMuch) {
  ReleaseSite site;
  site.publish_signed();
  site.treat(kIndexPath, R"({"length": 67108865})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed), "SITE/streams/v1/test.sjson: is longer than 64 MiB");
}

TEST(Transfer, RefusesAnUnsignedImageThatAnnouncesTooMuch) {
  TreatedImage site(R"({"length": 4294967297})");
  site.source = {.name = "test",
                 .base_url = site.source.base_url,
                 .trust = BaseSource::Trust::pinned_digest,
                 .image_path = "server/release-{serial}/disk-amd64.img"};
  site.options.serial = "20260301";
  site.options.pinned_sha256 = sha256(ReleaseSite::content());
  EXPECT_EQ(site.refusal(ExitCode::verification_failed), "SITE/" + kImage + ": is longer than 4 GiB");
}

TEST(Transfer, RefusesAWebPageInThePlaceOfTheImage) {
  TreatedImage site(R"({"type": "text/html; charset=utf-8"})");
  EXPECT_EQ(site.refusal(ExitCode::network),
            "SITE/" + kImage +
                ": the server answers with a web page instead of the file\n"
                "hint: a portal or proxy between here and the server may want a login");
}

TEST(Transfer, RefusesAWebPageInThePlaceOfTheIndex) {
  ReleaseSite site;
  site.publish_signed();
  site.treat(kIndexPath, R"({"type": "text/html"})");
  EXPECT_EQ(site.refusal(ExitCode::network),
            "SITE/streams/v1/test.sjson: the server answers with a web page instead of the file\n"
            "hint: a portal or proxy between here and the server may want a login");
}

TEST(Transfer, RefusesToDecompress) {
  ReleaseSite site;
  site.publish_signed();
  site.treat(kIndexPath, R"({"encoding": "gzip"})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/streams/v1/test.sjson: the server sends the file compressed with 'gzip'");
}

TEST(Transfer, RefusesAForbiddenImageAtOnce) {
  TreatedImage site(R"({"status": 403})");
  EXPECT_EQ(site.refusal(ExitCode::network), "SITE/" + kImage + ": the server answers with status 403");
  EXPECT_EQ(site.requests(kImage).size(), 1u);
}

TEST(Transfer, RefusesASiteWithoutAnIndex) {
  ReleaseSite site;
  EXPECT_EQ(site.refusal(ExitCode::network),
            "SITE/streams/v1/test.sjson: the server has no such file\nhint: is the mirror complete?");
}

TEST(Transfer, ShowsNoControlCharactersOfAServer) {
  TreatedImage site(R"({"encoding": "a\u001b[2Jb"})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": the server sends the file compressed with 'a?[2Jb'");
}

// Redirects.

TEST(Redirect, WithinTheSiteIsFollowed) {
  ReleaseSite site;
  site.publish_signed();
  site.write("server/moved.img", ReleaseSite::content());
  site.treat(kImage, fmt::format(R"({{"location": "{}server/moved.img"}})", site.source.base_url));
  EXPECT_EQ(site.fetch_serial(), "20260301");
}

TEST(Redirect, MayBeRelative) {
  ReleaseSite site;
  site.publish_signed();
  site.write("server/moved.img", ReleaseSite::content());
  site.treat(kImage, R"({"location": "../moved.img"})");
  EXPECT_EQ(site.fetch_serial(), "20260301");
}

TEST(Redirect, ToHttpIsRefused) {
  TreatedImage site(R"({"location": "http://127.0.0.1/disk.img"})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": redirects to 'http://127.0.0.1/disk.img', which is not https");
}

TEST(Redirect, ToAFileIsRefused) {
  TreatedImage site(R"({"location": "file:///etc/passwd"})");
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": redirects to 'file:///etc/passwd', which is not https");
}

/// The site under the server's other name.
std::string other_host(const ReleaseSite& site) {
  std::string url = site.source.base_url;
  return url.replace(url.find("127.0.0.1"), 9, "localhost");
}

TEST(Redirect, ToAnotherHostIsRefused) {
  ReleaseSite site;
  site.publish_signed();
  site.treat(kImage, fmt::format(R"({{"location": "{}server/moved.img"}})", other_host(site)));
  EXPECT_EQ(site.refusal(ExitCode::verification_failed),
            "SITE/" + kImage + ": redirects to the other host 'localhost'");
}

TEST(Redirect, ToAnotherHostIsFollowedWhereTheSourceHasMirrors) {
  ReleaseSite site;
  site.publish_signed();
  site.write("server/moved.img", ReleaseSite::content());
  site.treat(kImage, fmt::format(R"({{"location": "{}server/moved.img"}})", other_host(site)));
  site.source.other_hosts = BaseSource::OtherHosts::follow;
  EXPECT_EQ(site.fetch_serial(), "20260301");
}

TEST(Redirect, InACircleIsRefused) {
  ReleaseSite site;
  site.publish_signed();
  site.treat(kImage, fmt::format(R"({{"location": "{}{}"}})", site.source.base_url, kImage));
  EXPECT_EQ(site.refusal(ExitCode::verification_failed), "SITE/" + kImage + ": redirects more than 3 times");
  EXPECT_EQ(site.requests(kImage).size(), 4u);
}

}  // namespace
}  // namespace imgbuild
