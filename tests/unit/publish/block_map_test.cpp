#include "publish/block_map.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;

class BlockMapTest : public testing::Test {
 protected:
  void put(const fs::path& path, std::uint64_t offset, const std::string& text) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << text;
  }
  fs::path disk(std::uint64_t size) {
    const fs::path path = folder_.path() / "disk";
    std::ofstream(path).put('\0');
    fs::resize_file(path, size);
    return path;
  }
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "block-map"};
  SilentStatus status_;
};

std::vector<std::uint32_t> indexes(const BlockMap& map) {
  std::vector<std::uint32_t> found;
  for (const auto& [index, digest] : map.blocks) found.push_back(index);
  return found;
}

TEST_F(BlockMapTest, HoldsWhatIsNotZero) {
  const fs::path path = disk((1ULL << 30) + 1000);
  put(path, 5 * kBlockSize + 7, "x");
  put(path, 1000 * kBlockSize, std::string(kBlockSize, '\0'));  // data, but zeros
  put(path, (1ULL << 30) + 999, "y");                           // the last byte of a block that is not whole
  const BlockMap map = scan_disk(path, status_);
  EXPECT_EQ(map.volume_gib, 2U);
  EXPECT_EQ(indexes(map), (std::vector<std::uint32_t>{5, 2048}));
  std::string last(kBlockSize, '\0');
  last[999] = 'y';
  EXPECT_EQ(std::string(map.blocks.at(2048).data(), 32), sha256_bytes(last));
}

TEST_F(BlockMapTest, FindsTheSameWithoutHoles) {
  const fs::path path = disk(100 * kBlockSize);
  put(path, 70 * kBlockSize, "x");
  const BlockMap sparse = scan_disk(path, status_);
  std::string whole = io::read_file(path);
  io::write_file(folder_.path() / "whole", whole, 0600);
  EXPECT_EQ(scan_disk(folder_.path() / "whole", status_), sparse);
}

TEST_F(BlockMapTest, IsKeptAndReadBack) {
  const fs::path path = disk(100 * kBlockSize);
  put(path, 70 * kBlockSize, "x");
  const BlockMap map = scan_disk(path, status_);
  write_map(folder_.path() / "map", map);
  EXPECT_EQ(read_map(folder_.path() / "map"), map);
  write_map(folder_.path() / "empty", {.volume_gib = 3, .blocks = {}});
  EXPECT_EQ(read_map(folder_.path() / "empty"), (BlockMap{.volume_gib = 3, .blocks = {}}));
}

TEST_F(BlockMapTest, IsNoneWhenDamaged) {
  write_map(folder_.path() / "map", {.volume_gib = 1, .blocks = {{7, BlockDigest{}}}});
  put(folder_.path() / "map", 30, "9");
  EXPECT_EQ(read_map(folder_.path() / "map"), std::nullopt);
  EXPECT_EQ(read_map(folder_.path() / "absent"), std::nullopt);
}

TEST(ChangedBlocks, AreThoseThatDifferAndThoseThatBecameZero) {
  const BlockDigest one = {1};
  const BlockDigest two = {2};
  const BlockMap before = {.volume_gib = 1, .blocks = {{1, one}, {2, one}, {3, one}}};
  const BlockMap now = {.volume_gib = 1, .blocks = {{1, one}, {2, two}, {9, two}}};
  EXPECT_EQ(changed_blocks(before, now), (std::vector<std::uint32_t>{2, 3, 9}));
  EXPECT_EQ(std::string(digest_at(now, 3).data(), 32), sha256_bytes(std::string(kBlockSize, '\0')));
}

TEST(LinearChecksum, IsOverTheDigestsInOrder) {
  const BlockMap map = {.volume_gib = 1, .blocks = {{1, BlockDigest{'a'}}, {2, BlockDigest{'b'}}}};
  EXPECT_EQ(linear_checksum(map, {1, 2}), sha256_bytes("a" + std::string(31, '\0') + "b" + std::string(31, '\0')));
}

}  // namespace
}  // namespace imgbuild
