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

TEST(PackageFiles, AreReadFromUriLinesOnly) {
  const std::string output = "Reading package lists...\n'http://m/pool/n/nginx_1.22%2b1_amd64.deb' nginx_1.22+1_amd64.deb 123 SHA256:" +
                             kDigest + "\n";
  EXPECT_THAT(parse_package_files(output),
              testing::ElementsAre(PackageFile{.name = "nginx_1.22+1_amd64.deb", .size = 123, .sha256 = kDigest}));
}

TEST(PackageFiles, AreRefusedWithoutASha256) {
  try {
    (void)parse_package_files("'http://m/a.deb' a.deb 1 MD5Sum:00\n");
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "package file 'a.deb': its source gives no SHA-256");
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
        ErrorCase{"DownloadCut", AptStage::download, "E: Unable to fetch some archives", ExitCode::network},
        ErrorCase{"DownloadForged", AptStage::download, "Hash Sum mismatch", ExitCode::verification_failed},
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
