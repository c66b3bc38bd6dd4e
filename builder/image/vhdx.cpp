#include "image/vhdx.h"

#include <array>

#include "image/content_id.h"
#include "image/numbers.h"

namespace imgbuild {

// All numbers are little-endian.
//
//   0        who made it
//   64 KiB   header, and once more 64 KiB on; of two good ones that with the higher number counts
//   192 KiB  region table: where metadata and blocks are; and once more 64 KiB on
//   1 MiB    log, empty
//   2 MiB    metadata: sizes, an identifier
//   3 MiB    block allocation table: 64 bit for each block of the disk, and one for each 4096 blocks, used by disks with a parent
//   then     blocks of 1 MiB

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kUnit = 64 << 10;  // of what is below 1 MiB
constexpr std::uint64_t kBlock = kPiece;
constexpr std::uint64_t kBlocksOfChunk = (512ULL << 23) / kBlock;
constexpr std::uint64_t kLog = 1 * kMiB;
constexpr std::uint64_t kMetadata = 2 * kMiB;
constexpr std::uint64_t kTable = 3 * kMiB;
enum State : std::uint64_t { zero = 2, present = 6 };  // of a block

constexpr const char* kTableRegion = "2DC27766F62342009D64115E9BFD4A08";
constexpr const char* kMetadataRegion = "8B7CA20647904B9AB8FE575F050F886E";
constexpr const char* kFileParameters = "CAA16737FA364D43B3B633F0AA44E76B";
constexpr const char* kDiskSize = "2FA54224CD1B4876B2115DBED83BF4B8";
constexpr const char* kDiskId = "BECA12ABB2E6452393EFC309E000C746";
constexpr const char* kLogicalSector = "8141BF1DA96F4709BA47F233A8FAAB5F";
constexpr const char* kPhysicalSector = "CDA348C7445D44719CC9E9885251C556";

/// As it is stored: its first three numbers are little-endian.
std::string guid(std::string_view hex) {
  static constexpr std::array kOrder = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  std::string bytes;
  for (const int place : kOrder) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(static_cast<std::size_t>(place) * 2, 2)), nullptr, 16));
  }
  return bytes;
}

/// CRC-32C, reflected (RFC 3720, B.4).
std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

std::string with_checksum(std::string bytes) {
  put_little_endian(bytes, 4, crc32c(bytes), 4);
  return bytes;
}

std::string maker() {
  std::string bytes = "vhdxfile";
  for (const char letter : std::string_view("imgbuild")) bytes += {letter, '\0'};
  return bytes;
}

std::string header(std::uint64_t sequence, const std::string& write_id) {
  std::string bytes(4096, '\0');
  put_text(bytes, 0, "head");
  put_little_endian(bytes, 8, sequence, 8);
  put_text(bytes, 16, write_id);
  put_text(bytes, 32, write_id);
  put_little_endian(bytes, 66, 1, 2);  // version
  put_little_endian(bytes, 68, kMiB, 4);
  put_little_endian(bytes, 72, kLog, 8);
  return with_checksum(bytes);
}

std::string regions(std::uint64_t table_size) {
  std::string bytes(kUnit, '\0');
  put_text(bytes, 0, "regi");
  put_little_endian(bytes, 8, 2, 4);
  const auto put = [&](std::size_t at, const char* id, std::uint64_t offset, std::uint64_t size) {
    put_text(bytes, at, guid(id));
    put_little_endian(bytes, at + 16, offset, 8);
    put_little_endian(bytes, at + 24, size, 4);
    put_little_endian(bytes, at + 28, 1, 4);  // readers must know it
  };
  put(16, kTableRegion, kTable, table_size);
  put(48, kMetadataRegion, kMetadata, kMiB);
  return with_checksum(bytes);
}

std::string number(std::uint64_t value, std::size_t size) {
  std::string bytes(size, '\0');
  put_little_endian(bytes, 0, value, size);
  return bytes;
}

std::string metadata(std::uint64_t length, const std::string& disk_id) {
  struct Item {
    const char* id;
    std::string value;
    unsigned flags;  // 4: readers must know it; 2: it is the disk's, not the file's
  };
  const std::array items = {Item{kFileParameters, number(kBlock, 8), 4}, Item{kDiskSize, number(length, 8), 6},
                            Item{kDiskId, disk_id, 6}, Item{kLogicalSector, number(512, 4), 6},
                            Item{kPhysicalSector, number(4096, 4), 6}};
  std::string bytes(kUnit, '\0');
  put_text(bytes, 0, "metadata");
  put_little_endian(bytes, 10, items.size(), 2);
  for (std::size_t i = 0; i < items.size(); ++i) {
    put_text(bytes, 32 + i * 32, guid(items[i].id));
    put_little_endian(bytes, 48 + i * 32, bytes.size(), 4);
    put_little_endian(bytes, 52 + i * 32, items[i].value.size(), 4);
    put_little_endian(bytes, 56 + i * 32, items[i].flags, 4);
    bytes += items[i].value;
  }
  return bytes;
}

std::uint64_t place_in_table(std::uint64_t block) { return block + block / kBlocksOfChunk; }

}  // namespace

VhdxWriter::VhdxWriter(OutputFile& file, std::uint64_t length) : file_(file), length_(length) {
  const std::uint64_t blocks = divide_up(length, kBlock);
  blocks_.resize(place_in_table(blocks - 1) + 1);
  for (std::uint64_t block = 0; block < blocks; ++block) blocks_[place_in_table(block)] = State::zero;
  file_.append_zeros(kTable + round_up(blocks_.size() * 8, kMiB));
}

void VhdxWriter::add(const Piece& piece) {
  add_to_content(content_, piece);
  if (piece.is_all_zero()) return;
  blocks_[place_in_table(piece.offset / kBlock)] = file_.size() | State::present;
  for (std::size_t i = 0; i < kClustersInPiece; ++i) {
    if (piece.is_zero[i]) file_.append_zeros(kCluster);
    else file_.append(piece.cluster(i));
  }
}

void VhdxWriter::finish() {
  const std::string digest = content_.hex();
  std::string table(blocks_.size() * 8, '\0');
  for (std::size_t i = 0; i < blocks_.size(); ++i) put_little_endian(table, i * 8, blocks_[i], 8);
  file_.write_at(0, maker());
  for (std::uint64_t copy = 0; copy < 2; ++copy) {
    file_.write_at((1 + copy) * kUnit, header(copy, content_id(digest, "vhdx write")));
    file_.write_at((3 + copy) * kUnit, regions(round_up(table.size(), kMiB)));
  }
  file_.write_at(kMetadata, metadata(length_, content_id(digest, "vhdx disk")));
  file_.write_at(kTable, table);
}

}  // namespace imgbuild
