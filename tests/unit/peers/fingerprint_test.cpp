#include "peers/fingerprint.h"

#include <gtest/gtest.h>

#include "complaint.h"
#include "unit/peers/deployment.h"
#include "util/io.h"

namespace imgbuild::test {
namespace {

const std::string kDigits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

class Fingerprints : public testing::Test {
 protected:
  std::map<std::string, std::string> read(const std::string& text) {
    io::write_file(file_, text, 0600);
    return read_fingerprints(file_, deployment());
  }
  std::string complaint(const std::string& text) {
    const std::string said = complaint_of([&] { (void)read(text); });
    return said.substr(said.find("known"));
  }

  io::TemporaryDirectory folder_{std::filesystem::temp_directory_path(), "fingerprint-test"};
  std::filesystem::path file_ = folder_.path() / "known";
};

TEST(Fingerprint, IsGroupedForReadingAloud) {
  const std::string line = "0123 4567 89AB CDEF 0123 4567 89AB CDEF";
  EXPECT_EQ(grouped_fingerprint(kDigits), (std::vector<std::string>{line, line}));
}

TEST(Fingerprint, IsReadInEveryFormThatPeopleWrite) {
  EXPECT_EQ(parse_fingerprint(" 0123 4567 89AB CDEF 0123 4567 89AB CDEF  0123 4567 89AB CDEF 0123 4567 89AB CDEF"), kDigits);
  std::string colons;
  for (std::size_t i = 0; i < kDigits.size(); i += 2) colons += (i == 0 ? "" : ":") + kDigits.substr(i, 2);
  EXPECT_EQ(parse_fingerprint(colons), kDigits);
  EXPECT_EQ(parse_fingerprint(kDigits.substr(1)), std::nullopt);
  EXPECT_EQ(parse_fingerprint(kDigits + "0"), std::nullopt);
}

TEST_F(Fingerprints, AreReadByName) {
  const std::map<std::string, std::string> expected = {{"prod-a1", kDigits}, {"prod-s1", kDigits}};
  EXPECT_EQ(read("# by telephone\n\nprod-a1 " + kDigits + "\r\nprod-s1\t" + kDigits + "\n"), expected);
}

TEST_F(Fingerprints, AreRefusedWithoutAFingerprint) {
  EXPECT_EQ(complaint("\nprod-a1\n"), "known:2: must be 'NAME FINGERPRINT', is 'prod-a1'");
}

TEST_F(Fingerprints, AreRefusedOfAnUnknownMachine) {
  EXPECT_EQ(complaint("prod-a3 " + kDigits), "known:1: there is no machine 'prod-a3' in 'prod.yml', did you mean 'prod-a1'?");
}

TEST_F(Fingerprints, AreRefusedWithADigitTooFew) {
  EXPECT_EQ(complaint("prod-a1 " + kDigits.substr(8)),
            "known:1: the fingerprint of 'prod-a1' must be 64 hexadecimal digits, is '" + kDigits.substr(8) + "'");
}

TEST_F(Fingerprints, AreRefusedTwice) {
  EXPECT_EQ(complaint("prod-a1 " + kDigits + "\nprod-a1 " + kDigits), "known:2: 'prod-a1' is there twice");
}

}  // namespace
}  // namespace imgbuild::test
