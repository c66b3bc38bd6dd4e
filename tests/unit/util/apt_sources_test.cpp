#include "util/apt_sources.h"

#include <gtest/gtest.h>

namespace imgbuild {
namespace {

TEST(AptSources, ReadsOneLineEntriesWithOptionsAndComments) {
  EXPECT_EQ(
      read_apt_list(
          "# deb http://a/ x main\n"
          "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # here\n"
          "deb-src http://mirror.example/debian bookworm main\n"
          "deb http://mirror.example/flat ./\n"
          "deb [broken http://x y z\n"),
      (std::vector<AptSource>{{"http://mirror.example/debian", "bookworm"},
                              {"http://mirror.example/flat", "./"}}));
}

TEST(AptSources, ReadsEachPairOfADeb822Stanza) {
  EXPECT_EQ(read_apt_deb822(
                "Types: deb deb-src\n# note\nURIs: http://a/d http://b/d\nSuites: noble\n noble-updates\n"),
            (std::vector<AptSource>{{"http://a/d", "noble"},
                                    {"http://a/d", "noble-updates"},
                                    {"http://b/d", "noble"},
                                    {"http://b/d", "noble-updates"}}));
}

TEST(AptSources, LeavesOutDisabledAndSourceOnlyStanzas) {
  EXPECT_EQ(read_apt_deb822("Types: deb\nURIs: http://a\nSuites: x\nEnabled: No\n\nTypes: deb-src\nURIs: "
                            "http://b\nSuites: x\n\n"
                            "Types: deb\nURIs: http://c\nSuites: x\n"),
            (std::vector<AptSource>{{"http://c", "x"}}));
}

}  // namespace
}  // namespace imgbuild
