#include "util/zstd.h"

#include <gtest/gtest.h>

#include "complaint.h"

namespace imgbuild {
namespace {

TEST(Zstd, GivesBackWhatItGot) {
  const std::string bytes = std::string(100'000, 'x') + "end";
  EXPECT_LT(compress_zstd(bytes).size(), 100U);
  EXPECT_EQ(decompress_zstd(compress_zstd(bytes), "f", 1_MiB), bytes);
  EXPECT_EQ(decompress_zstd(compress_zstd(""), "f", 1_MiB), "");
}

TEST(Zstd, RefusesWhatIsNoneDamagedOrTooLong) {
  const std::string frame = compress_zstd(std::string(2 << 20, 'x'));
  EXPECT_EQ(complaint_of([&] { (void)decompress_zstd("text", "f", 1_MiB); }), "f: is no zstd frame of a known length");
  EXPECT_EQ(complaint_of([&] { (void)decompress_zstd(frame, "f", 1_MiB); }), "f: holds more than 1 MiB");
  EXPECT_EQ(complaint_of([&] { (void)decompress_zstd(frame.substr(0, frame.size() - 1), "f", 4_MiB); }), "f: is a damaged zstd frame");
}

}  // namespace
}  // namespace imgbuild
