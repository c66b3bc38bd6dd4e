#include "base/archive_sources.h"

#include <gtest/gtest.h>

#include "base/bootstrap.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

const OsRelease kDebian = {.id = "debian", .version_id = "12", .codename = "bookworm"};

TEST(ArchiveSources, ReadsDeb822) {
  const std::string text = R"(Types: deb deb-src
# a comment
URIs: http://archive.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
)";
  EXPECT_EQ(parse_archive_sources(text, "debian.sources", "debian"),
            (std::vector<ArchiveSource>{{.uri = "http://archive.example/debian",
                                         .suites = {"bookworm", "bookworm-updates"},
                                         .components = {"main"}}}));
}

TEST(ArchiveSources, ReadsTheOneLineForm) {
  const std::string text =
      "# old\ndeb [arch=amd64] http://archive.example/debian bookworm main non-free # here\n";
  EXPECT_EQ(parse_archive_sources(text, "sources.list", "debian"),
            (std::vector<ArchiveSource>{
                {.uri = "http://archive.example/debian", .suites = {"bookworm"}, .components = {"main"}}}));
}

TEST(ArchiveSources, LeavesOutWhatIsNotTheDistributions) {
  const std::string text =
      "deb [trusted=yes] http://evil.example/debian bookworm main\n"
      "deb [signed-by=/etc/apt/keyrings/other.gpg] http://other.example/debian bookworm main\n"
      "deb http://third.example/debian bookworm stable\n"
      "deb-src http://archive.example/debian bookworm main\n";
  EXPECT_TRUE(parse_archive_sources(text, "sources.list", "debian").empty());
}

TEST(ArchiveSources, LeavesOutDisabledStanzas) {
  const std::string text =
      "Enabled: no\nTypes: deb\nURIs: http://a.example\nSuites: bookworm\nComponents: main\n";
  EXPECT_TRUE(parse_archive_sources(text, "a.sources", "debian").empty());
}

TEST(ArchiveSources, DemandsTheArchivesKeyInWhatItWrites) {
  EXPECT_EQ(
      to_deb822({{.uri = "http://a.example", .suites = {"bookworm"}, .components = {"main"}}}, "debian"),
      "Types: deb\nURIs: http://a.example\nSuites: bookworm\nComponents: main\n"
      "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n");
}

TEST(ArchiveSources, TakesOnlySuitesOfTheHostsRelease) {
  const io::TemporaryDirectory root(fs::temp_directory_path(), "apt-test");
  io::make_directories(root.path() / "etc/apt", 0755);
  io::write_file(root.path() / "etc/apt/sources.list",
                 "deb http://a.example bookworm main\ndeb http://a.example sid main\n", 0644);
  const std::vector<ArchiveSource> sources = distribution_sources(root.path(), kDebian);
  ASSERT_EQ(sources.size(), 1U);
  EXPECT_EQ(sources[0].suites, std::vector<std::string>{"bookworm"});
}

TEST(ArchiveSources, SaysThatTheHostHasNone) {
  const io::TemporaryDirectory root(fs::temp_directory_path(), "apt-test");
  try {
    (void)distribution_sources(root.path(), kDebian);
    FAIL() << "found some";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "apt sources of this host: no entry for 'bookworm' signed by the distribution");
    EXPECT_EQ(error.code(), ExitCode::host_unfit);
  }
}

TEST(Bootstrap, AsksForStrictAptWhateverTheHostSays) {
  const std::vector<std::string> arguments = mmdebstrap_arguments(
      {.release = kDebian, .sources = "/w/distribution.sources", .tar = "/w/system.tar"});
  for (const char* option :
       {"--aptopt=Acquire::Check-Valid-Until \"true\"", "--aptopt=Acquire::Check-Date \"true\"",
        "--aptopt=APT::Update::Error-Mode \"any\"", "--aptopt=APT::Get::AllowUnauthenticated \"false\""}) {
    EXPECT_NE(std::find(arguments.begin(), arguments.end(), option), arguments.end()) << option;
  }
}

}  // namespace
}  // namespace imgbuild
