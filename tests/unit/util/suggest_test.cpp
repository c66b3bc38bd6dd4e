#include "util/suggest.h"

#include <gtest/gtest.h>

namespace imgbuild {
namespace {

TEST(EditDistance, CountsEachKindOfSlipOnce) {
  EXPECT_EQ(edit_distance("packages", "packages"), 0U);
  EXPECT_EQ(edit_distance("pakages", "packages"), 1U);
  EXPECT_EQ(edit_distance("packagess", "packages"), 1U);
  EXPECT_EQ(edit_distance("puckages", "packages"), 1U);
  EXPECT_EQ(edit_distance("pakcages", "packages"), 1U);
  EXPECT_EQ(edit_distance("", "run"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(NearestWord, IsTheOneThatWasMeant) {
  EXPECT_EQ(nearest_word("pakages", {"overlay", "packages"}), "packages");
  EXPECT_EQ(nearest_word("MEMORY", {"disk", "memory"}), "memory");
  EXPECT_EQ(nearest_word("cpu", {"cpus", "cpuz"}), "cpus");
}

TEST(NearestWord, IsNoneWhenAllAreFar) {
  EXPECT_EQ(nearest_word("docker", {"overlay", "packages"}), "");
  EXPECT_EQ(nearest_word("ab", {"xy"}), "");
  EXPECT_EQ(nearest_word("", {"a"}), "");
}

TEST(NearestWord, IsNoneForAWordThatIsNoSlip) {
  EXPECT_EQ(nearest_word(std::string(100'000, 'a'), {std::string(100'000, 'a')}), "");
}

TEST(DidYouMean, NamesTheNearestElseAllKnown) {
  EXPECT_EQ(did_you_mean("rum", {"run", "overlay"}), ", did you mean 'run'?");
  EXPECT_EQ(did_you_mean("docker", {"run", "overlay"}), ", known are 'run', 'overlay'");
  EXPECT_EQ(did_you_mean("docker", {}), "");
}

}  // namespace
}  // namespace imgbuild
