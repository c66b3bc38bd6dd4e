#include "base/release_index.h"

#include <gtest/gtest.h>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {

const std::string kDigest(64, 'a');

const BaseSource kSource = {.name = "test",
                            .base_url = "https://example.org/",
                            .content_id = "com.example:released",
                            .product = "com.example:server:1:amd64",
                            .architecture = "amd64",
                            .item = "disk1.img"};

/// One version of the product, all its parts good but for what a test replaces.
struct Version {
  std::string serial = "20260101";
  std::string label = "release";
  std::string item = "disk1.img";
  std::string type = "disk1.img";
  std::string path = "server/release-20260101/a.img";
  std::string sha256 = kDigest;
  std::string size = "100";
};

std::string to_json(const Version& version) {
  return fmt::format(
      R"("{}": {{"label": "{}", "items": {{"{}": {{"ftype": "{}", "path": "{}", "sha256": "{}", "size": {}}}}}}})",
      version.serial, version.label, version.item, version.type, version.path, version.sha256, version.size);
}

std::string index_of(const std::vector<Version>& versions) {
  std::string list;
  for (const Version& version : versions) list += (list.empty() ? "" : ", ") + to_json(version);
  return R"({"format": "products:1.0", "content_id": "com.example:released", "products": {"com.example:server:1:amd64": )"
         R"({"arch": "amd64", "versions": {)" +
         list + "}}}}";
}

std::string error_of(const std::string& index) {
  try {
    (void)parse_release_index(index, kSource, "index");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::verification_failed);
    return error.describe();
  }
  return "accepted";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

std::vector<std::string> serials_of(const std::vector<Version>& versions) {
  std::vector<std::string> serials;
  for (const Release& release : parse_release_index(index_of(versions), kSource, "index"))
    serials.push_back(release.serial_text);
  return serials;
}

using Texts = std::vector<std::string>;

TEST(ReleaseIndex, GivesWhatIsNeededToFetch) {
  const std::vector<Release> releases = parse_release_index(index_of({{}}), kSource, "index");
  const Release expected = {.serial = {20260101, 0},
                            .serial_text = "20260101",
                            .path = "server/release-20260101/a.img",
                            .sha256 = kDigest,
                            .size = {100}};
  EXPECT_EQ(releases, std::vector<Release>{expected});
}

TEST(ReleaseIndex, SortsSerialsAsNumbers) {
  EXPECT_EQ(serials_of({{.serial = "20260201.10"},
                        {.serial = "20260201"},
                        {.serial = "20251231.11"},
                        {.serial = "20260201.9"}}),
            (Texts{"20251231.11", "20260201", "20260201.9", "20260201.10"}));
}

TEST(ReleaseIndex, LeavesOutWhatIsNotReleased) {
  EXPECT_EQ(serials_of({{}, {.serial = "20260301", .label = "beta1"}}), Texts{"20260101"});
}

TEST(ReleaseIndex, LeavesOutVersionsWithoutTheDisk) {
  EXPECT_EQ(serials_of({{}, {.serial = "20260301", .item = "squashfs"}}), Texts{"20260101"});
}

TEST(ReleaseIndex, RefusesAnIndexWithoutARelease) {
  EXPECT_EQ(error_of(index_of({{.label = "daily"}})),
            "index: the signed index has no released 'disk1.img' of 'com.example:server:1:amd64'");
}

TEST(ReleaseIndex, RefusesAnotherArchitecture) {
  EXPECT_EQ(error_of(replaced(index_of({{}}), R"("arch": "amd64")", R"("arch": "arm64")")),
            "index: the signed index has arch 'arm64' where 'amd64' is expected");
}

TEST(ReleaseIndex, RefusesAnotherSignedFile) {
  EXPECT_EQ(
      error_of(replaced(index_of({{}}), "com.example:released", "com.example:daily")),
      "index: the signed index has content_id 'com.example:daily' where 'com.example:released' is expected");
}

TEST(ReleaseIndex, RefusesAnotherFormat) {
  EXPECT_EQ(error_of(replaced(index_of({{}}), "products:1.0", "index:1.0")),
            "index: the signed index has format 'index:1.0' where 'products:1.0' is expected");
}

TEST(ReleaseIndex, RefusesAnotherProduct) {
  EXPECT_EQ(error_of(replaced(index_of({{}}), "server:1:", "server:2:")),
            "index: the signed index has no object 'com.example:server:1:amd64'");
}

TEST(ReleaseIndex, RefusesTextThatIsNoJson) {
  EXPECT_EQ(error_of("<html>"), "index: the signed index is no JSON object");
}

TEST(ReleaseIndex, RefusesEveryTruncation) {
  const std::string whole = index_of({{}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(error_of(whole.substr(0, size)), "index: the signed index is no JSON object") << size;
  }
}

TEST(ReleaseIndex, RefusesDeepNesting) {
  EXPECT_EQ(error_of(std::string(1'000'000, '[')), "index: the signed index is no JSON object");
}

TEST(ReleaseIndex, RefusesASerialThatIsNone) {
  EXPECT_EQ(error_of(index_of({{.serial = "latest"}})),
            "index: the signed index has the serial 'latest', not YYYYMMDD or YYYYMMDD.N");
}

TEST(ReleaseIndex, RefusesAPathThatLeavesTheSite) {
  EXPECT_EQ(error_of(index_of({{.path = "server/../../a.img"}})),
            "index: the signed index has the unsafe path 'server/../../a.img'");
}

TEST(ReleaseIndex, RefusesADigestThatIsNone) {
  EXPECT_EQ(error_of(index_of({{.sha256 = "abc"}})), "index: the signed index has the digest 'abc'");
}

TEST(ReleaseIndex, RefusesAnEmptyImage) {
  EXPECT_EQ(error_of(index_of({{.size = "0"}})), "index: serial 20260101 is 0 B long, the most is 4 GiB");
}

TEST(ReleaseIndex, RefusesAHugeImage) {
  EXPECT_EQ(error_of(index_of({{.size = "4294967297"}})),
            "index: serial 20260101 is 4.0 GiB long, the most is 4 GiB");
}

TEST(ReleaseIndex, RefusesANegativeSize) {
  EXPECT_EQ(error_of(index_of({{.size = "-1"}})), "index: serial 20260101 has no size");
}

TEST(ReleaseIndex, RefusesAnItemOfAnotherType) {
  EXPECT_EQ(error_of(index_of({{.type = "ova"}})),
            "index: the signed index has ftype 'ova' where 'disk1.img' is expected");
}

TEST(SafePath, IsRelativeAndPlain) {
  EXPECT_TRUE(is_safe_path("server/releases/noble/release-20260101.1/ubuntu_24.04~a+b.img"));
  for (const char* path :
       {"", "/a", "a/", "a//b", "..", "a/../b", "./a", "a b", "a\\b", "a%2e", "a?b", "a#b", "a:b", "a\n"}) {
    EXPECT_FALSE(is_safe_path(path)) << path;
  }
}

TEST(Serial, IsADateWithARevision) {
  EXPECT_EQ(parse_serial("20240423"), (Serial{20240423, 0}));
  EXPECT_EQ(parse_serial("20240423.12"), (Serial{20240423, 12}));
  EXPECT_EQ(parse_serial("20231013-1532"), (Serial{20231013, 1532}));
  for (const char* text : {"", "2024042", "latest", "20240423.", "20240423.1.2", "20240423x1", "-2024042",
                           "20240423.-1", "../20240423"}) {
    EXPECT_EQ(parse_serial(text), std::nullopt) << text;
  }
}

std::string checksum_error(const std::string& text) {
  try {
    (void)parse_checksums(text, "SHA256SUMS");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::verification_failed);
    return error.describe();
  }
  return "accepted";
}

TEST(Checksums, AreReadInBothModes) {
  const std::map<std::string, std::string> digests =
      parse_checksums(kDigest + " *a.img\n" + kDigest + "  b.img\n", "SHA256SUMS");
  EXPECT_EQ(digests, (std::map<std::string, std::string>{{"a.img", kDigest}, {"b.img", kDigest}}));
}

TEST(Checksums, OfUbuntuAreRead) {
  const auto digests = parse_checksums(
      io::read_file(IMGBUILD_SOURCE_DIR "/tests/data/base/ubuntu-noble-SHA256SUMS"), "SHA256SUMS");
  EXPECT_EQ(digests.at("noble-server-cloudimg-amd64.img"),
            "6a81c37564db9b1ee84e141922625e1d7c5b389b99bb3c572e0243607d5bb4d2");
}

TEST(Checksums, RefuseTwoLinesForOneName) {
  EXPECT_EQ(checksum_error(kDigest + " *a.img\n" + std::string(64, 'b') + " *a.img\n"),
            "SHA256SUMS:2: 'a.img' is listed twice");
}

TEST(Checksums, RefuseTwoLinesForOneNameInBothModes) {
  EXPECT_EQ(checksum_error(kDigest + " *a.img\n" + kDigest + "  a.img\n"),
            "SHA256SUMS:2: 'a.img' is listed twice");
}

TEST(Checksums, RefuseCrLf) {
  EXPECT_EQ(checksum_error(kDigest + " *a.img\r\n"), "SHA256SUMS:1: the line ends with CR LF");
}

TEST(Checksums, RefuseAnUnfinishedLine) {
  EXPECT_EQ(checksum_error(kDigest + " *a.img"), "SHA256SUMS:1: the line is cut off");
}

TEST(Checksums, RefuseAnotherMode) {
  EXPECT_EQ(checksum_error(kDigest + " ?a.img\n"),
            "SHA256SUMS:1: the line is no SHA-256 digest with a file name");
}

TEST(Checksums, RefuseUpperCaseAndOtherDigests) {
  const std::string message = "SHA256SUMS:1: the line is no SHA-256 digest with a file name";
  EXPECT_EQ(checksum_error(std::string(64, 'A') + " *a.img\n"), message);
  EXPECT_EQ(checksum_error(std::string(32, 'a') + " *a.img\n"), message);
  EXPECT_EQ(checksum_error(std::string(128, 'a') + " *a.img\n"), message);
  EXPECT_EQ(checksum_error("\n"), message);
}

TEST(Checksums, RefuseNamesWithFolders) {
  EXPECT_EQ(checksum_error(kDigest + " *../a.img\n"), "SHA256SUMS:1: the file name '../a.img' is unsafe");
}

}  // namespace
}  // namespace imgbuild
