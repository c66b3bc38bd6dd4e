#include "tree/apt_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace imgbuild {
namespace {

const std::string kDigest(64, 'a');

TEST(AptConfiguration, TurnsOnEveryCheckOfDates) {
  const std::string text = apt_configuration("");
  for (const char* line : {"Acquire::Check-Valid-Until \"true\";", "Acquire::Check-Date \"true\";",
                           "APT::Update::Error-Mode \"any\";", "Dir::Etc::parts \"/dev/null\";"}) {
    EXPECT_THAT(text, testing::HasSubstr(line));
  }
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("Proxy")));
}

TEST(AptConfiguration, NamesTheProxyForBothSchemes) {
  const std::string text = apt_configuration("http://proxy:3128");
  EXPECT_THAT(text, testing::HasSubstr("Acquire::http::Proxy \"http://proxy:3128\";\n"));
  EXPECT_THAT(text, testing::HasSubstr("Acquire::https::Proxy \"http://proxy:3128\";\n"));
}

TEST(PackageFiles, AreReadFromUriLinesOnlyAndSorted) {
  const std::string output = "Reading package lists...\n'http://m/pool/n/nginx_1.22%2b1_amd64.deb' nginx_1%3a1.22+1_amd64.deb 123 SHA256:" +
                             kDigest + "\n'http://m/pool/a/a_2_all.deb' a_2_all.deb 7 SHA256:" + kDigest + "\n";
  EXPECT_THAT(parse_package_files(output),
              testing::ElementsAre(LockedPackage{.name = "a", .version = "2", .architecture = "all", .file = "a_2_all.deb",
                                                 .uri = "http://m/pool/a/a_2_all.deb", .sha256 = kDigest, .size = 7},
                                   LockedPackage{.name = "nginx", .version = "1:1.22+1", .architecture = "amd64",
                                                 .file = "nginx_1%3a1.22+1_amd64.deb",
                                                 .uri = "http://m/pool/n/nginx_1.22%2b1_amd64.deb", .sha256 = kDigest, .size = 123}));
}

struct RefusedLine {
  const char* name;
  std::string line;
  const char* message;
};
class PackageFileLines : public testing::TestWithParam<RefusedLine> {};

TEST_P(PackageFileLines, AreRefused) {
  try {
    (void)parse_package_files(GetParam().line + "\n");
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), GetParam().message);
    EXPECT_EQ(error.code(), ExitCode::verification_failed);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, PackageFileLines,
    testing::Values(
        RefusedLine{"WithoutASha256", "'http://m/a_1_all.deb' a_1_all.deb 1 MD5Sum:00", "package file 'a_1_all.deb': its source gives no SHA-256"},
        RefusedLine{"WithoutAnything", "'http://m/a_1_all.deb'", "package file '': its source gives no SHA-256"},
        RefusedLine{"InAnotherFolder", "'http://m/x' ../a_1_all.deb 1 SHA256:" + kDigest,
                    "package file '../a_1_all.deb': is no name of the form NAME_VERSION_ARCHITECTURE.deb"},
        RefusedLine{"WithoutAVersion", "'http://m/x' a_all.deb 1 SHA256:" + kDigest,
                    "package file 'a_all.deb': is no name of the form NAME_VERSION_ARCHITECTURE.deb"},
        RefusedLine{"WithAnEmptyName", "'http://m/x' _1_all.deb 1 SHA256:" + kDigest,
                    "package file '_1_all.deb': is no name of the form NAME_VERSION_ARCHITECTURE.deb"}),
    [](const auto& row) { return row.param.name; });

TEST(Simulation, TellsWhatWouldBeInstalled) {
  EXPECT_THAT(parse_simulated("Reading package lists...\n"
                              "Remv systemd-timesyncd [252.39-1]\n"
                              "Inst zlib1g [1:1.2.13] (1:1.2.14 Debian:12.1/stable, Debian-Security:12 [amd64]) [libc6:amd64 on zlib1g]\n"
                              "Inst libc6:i386 (2.36 localhost [i386])\n"
                              "Conf zlib1g (1:1.2.14 localhost [amd64])\n"),
              testing::ElementsAre("libc6 2.36 i386", "zlib1g 1:1.2.14 amd64"));
}

TEST(IndexParagraph, IsTheControlFileAndWhereThePackageIs) {
  const LockedPackage package{.name = "a", .version = "2", .architecture = "all", .file = "a_2_all.deb", .sha256 = kDigest, .size = 7};
  EXPECT_EQ(index_paragraph(package, "Package: a\nVersion: 2\nArchitecture: all\n", 7, kDigest),
            "Package: a\nVersion: 2\nArchitecture: all\nFilename: ./a_2_all.deb\nSize: 7\nSHA256: " + kDigest + "\n\n");
}

TEST(IndexParagraph, IsRefusedForAnotherPackage) {
  const LockedPackage package{.name = "a", .version = "2", .architecture = "all", .file = "a_2_all.deb", .sha256 = kDigest, .size = 7};
  try {
    (void)index_paragraph(package, "Package: a\nVersion: 3\nArchitecture: all\n", 7, kDigest);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "package file 'a_2_all.deb': holds 'a 3 all', not 'a 2 all' as the lock says");
    EXPECT_EQ(error.code(), ExitCode::verification_failed);
  }
}

struct ErrorCase {
  const char* name;
  AptStage stage;
  const char* line;
  ExitCode code;
};
class AptErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(AptErrors, CarryTheRightExitCode) { EXPECT_EQ(apt_error(GetParam().stage, {GetParam().line}).code(), GetParam().code); }

INSTANTIATE_TEST_SUITE_P(
    All, AptErrors,
    testing::Values(
        ErrorCase{"MirrorDown", AptStage::update, "E: Failed to fetch http://m: Could not connect", ExitCode::network},
        ErrorCase{"Unsigned", AptStage::update, "E: The repository 'x' is not signed.", ExitCode::verification_failed},
        ErrorCase{"BadSignature", AptStage::update, "W: GPG error: http://m: BADSIG", ExitCode::verification_failed},
        ErrorCase{"Expired", AptStage::update, "E: Release file for x is expired", ExitCode::verification_failed},
        ErrorCase{"Future", AptStage::update, "E: Release file for x is not valid yet", ExitCode::verification_failed},
        ErrorCase{"MissingInLock", AptStage::simulate, "E: Unable to locate package nginx", ExitCode::step_failed},
        ErrorCase{"Unknown", AptStage::select, "E: Unable to locate package nginxx", ExitCode::bad_input},
        ErrorCase{"Conflict", AptStage::select, "E: Unable to correct problems", ExitCode::step_failed},
        ErrorCase{"Postinst", AptStage::install, "E: Sub-process /usr/bin/dpkg returned an error", ExitCode::step_failed}),
    [](const auto& row) { return row.param.name; });

TEST(AptErrorText, EndsWithTheLastTwentyLines) {
  std::vector<std::string> lines;
  for (int i = 1; i <= 25; ++i) lines.push_back("line " + std::to_string(i));
  const std::string text = apt_error(AptStage::install, lines).what();
  EXPECT_THAT(text, testing::StartsWith("cannot install the packages:\nline 6\n"));
  EXPECT_THAT(text, testing::EndsWith("\nline 25"));
}

}  // namespace
}  // namespace imgbuild
