#include "util/size.h"

#include <gtest/gtest.h>

namespace imgbuild {
namespace {

TEST(ByteSize, ReadsBinaryUnitsOnly) {
  EXPECT_EQ(parse_byte_size("30 GiB"), 30_GiB);
  EXPECT_EQ(parse_byte_size("512MiB"), 512_MiB);
  EXPECT_EQ(parse_byte_size("30 GB"), std::nullopt);
  EXPECT_EQ(parse_byte_size("30"), std::nullopt);
  EXPECT_EQ(parse_byte_size("-1 GiB"), std::nullopt);
  EXPECT_EQ(parse_byte_size("99999999999 TiB"), std::nullopt);
}

TEST(ByteSize, IsPrintedInItsShortestForm) {
  EXPECT_EQ(format_byte_size(10_GiB), "10 GiB");
  EXPECT_EQ(format_byte_size({1536 * 1024}), "1.5 MiB");
  EXPECT_EQ(format_byte_size({0}), "0 B");
}

TEST(Duration, ReadsSecondsMinutesAndHours) {
  EXPECT_EQ(parse_duration("300 s"), std::chrono::seconds(300));
  EXPECT_EQ(parse_duration("5min"), std::chrono::minutes(5));
  EXPECT_EQ(parse_duration("5"), std::nullopt);
  EXPECT_EQ(parse_duration("5 days"), std::nullopt);
}

}  // namespace
}  // namespace imgbuild
