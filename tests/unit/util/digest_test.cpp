#include "util/digest.h"

#include <gtest/gtest.h>

#include "util/base64.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

TEST(Sha256, AgreesWithTheStandard) {  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, FieldsDoNotRunIntoEachOther) {
  Sha256 first;
  first.update_field("ab");
  first.update_field("c");
  Sha256 second;
  second.update_field("a");
  second.update_field("bc");
  EXPECT_NE(first.hex(), second.hex());
}

TEST(Base64, PadsToWholeGroups) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("a"), "YQ==");
  EXPECT_EQ(to_base64("abc"), "YWJj");
}

TEST(Base64, IsReadBackAndNothingElseIs) {
  for (const std::string bytes : {"", "a", "ab", "abc", "\xff\x01\x02\x03"}) EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  for (const char* text : {"YQ", "YQ=", "Y===", "YR==", "YQ==\n", " YQ==", "YQ==YQ==", "Y*Q="}) EXPECT_EQ(from_base64(text), std::nullopt) << text;
}

}  // namespace
}  // namespace imgbuild
