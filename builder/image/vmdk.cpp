#include "image/vmdk.h"

#include <fmt/format.h>

#include "image/numbers.h"

namespace imgbuild {

// All numbers are little-endian, places are in sectors of 512 bytes.
//
//   sector 0    header; it says that the directory is at the end
//   sector 1…   descriptor, text
//   sector 128  for each grain that is not zero:   its first sector (64 bit), its length (32 bit), a zlib stream, padding
//               after each 512 grains of the disk: a marker, the grain table: 512 × 32 bit, where each grain is
//   then        a marker, the grain directory: where each grain table is
//               a marker, the header again, with the place of the directory
//               a marker of zeros: the end

namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kGrain = kCluster / kSector;
constexpr std::uint64_t kGrains = 512;  // of a table
constexpr std::uint64_t kDescriptorSectors = 20;
constexpr std::uint64_t kFirstGrain = 128;
constexpr std::uint64_t kAtEnd = ~0ULL;
enum class Marker : std::uint32_t { end = 0, table = 1, directory = 2, footer = 3 };

std::string marker(Marker type, std::uint64_t sectors) {
  std::string bytes(kSector, '\0');
  put_little_endian(bytes, 0, sectors, 8);
  put_little_endian(bytes, 12, static_cast<std::uint32_t>(type), 4);
  return bytes;
}

std::string table(const std::vector<std::uint32_t>& places) {
  std::string bytes(round_up(places.size() * 4, kSector), '\0');
  for (std::size_t i = 0; i < places.size(); ++i) put_little_endian(bytes, i * 4, places[i], 4);
  return bytes;
}

/// The content id only tells a disk from the parent it was made from; this one is nobody's child, so it may be a constant. Names
/// the file by none that it has: readers of this kind do not look for another file.
std::string descriptor(std::uint64_t sectors) {
  constexpr std::uint64_t kHeads = 255;
  constexpr std::uint64_t kTrack = 63;
  return fmt::format(
      "# Disk DescriptorFile\nversion=1\nCID=1ab01d01\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n"
      "# Extent description\nRDONLY {} SPARSE \"disk.vmdk\"\n\n"
      "# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"10\"\nddb.adapterType = \"lsilogic\"\n"
      "ddb.geometry.cylinders = \"{}\"\nddb.geometry.heads = \"{}\"\nddb.geometry.sectors = \"{}\"\n",
      sectors, divide_up(sectors, kHeads * kTrack), kHeads, kTrack);
}

/// RFC 1950: a header, the deflated bytes, their Adler-32.
std::string zlib_stream(const std::string& deflated, std::uint32_t adler) {
  std::string stream = "\x78\x9c" + deflated + std::string(4, '\0');
  put_big_endian(stream, stream.size() - 4, adler, 4);
  return stream;
}

}  // namespace

VmdkWriter::VmdkWriter(OutputFile& file, std::uint64_t length)
    : file_(file), begin_(file.size()), sectors_(length / kSector), tables_(divide_up(length, kCluster * kGrains)) {
  std::string text = descriptor(sectors_);
  text.resize(kDescriptorSectors * kSector);
  file_.append(header(kAtEnd) + text);
  file_.append_zeros(kFirstGrain * kSector - (file_.size() - begin_));
}

void VmdkWriter::add(const Piece& piece) {
  for (std::size_t i = 0; i < kClustersInPiece; ++i) {
    if (!piece.is_zero[i]) add_grain(piece.offset / kCluster + i, piece.deflate[i], piece.cluster(i));
  }
}

void VmdkWriter::add_grain(std::uint64_t number, const std::string& deflated, std::string_view bytes) {
  if (number / kGrains != table_) append_table();
  table_ = number / kGrains;
  grains_.resize(kGrains);
  grains_[number % kGrains] = static_cast<std::uint32_t>(sector());
  const std::string stream = zlib_stream(deflated, adler32(bytes));
  std::string grain(12, '\0');
  put_little_endian(grain, 0, number * kGrain, 8);
  put_little_endian(grain, 8, stream.size(), 4);
  grain += stream;
  grain.resize(round_up(grain.size(), kSector));
  file_.append(grain);
}

void VmdkWriter::append_table() {
  if (grains_.empty()) return;
  const std::string bytes = table(grains_);
  file_.append(marker(Marker::table, bytes.size() / kSector));
  tables_[table_] = static_cast<std::uint32_t>(sector());
  file_.append(bytes);
  grains_.clear();
}

void VmdkWriter::finish() {
  append_table();
  const std::string bytes = table(tables_);
  file_.append(marker(Marker::directory, bytes.size() / kSector));
  const std::uint64_t directory = sector();
  file_.append(bytes + marker(Marker::footer, 1) + header(directory) + marker(Marker::end, 0));
}

std::string VmdkWriter::header(std::uint64_t directory) const {
  std::string bytes(kSector, '\0');
  put_text(bytes, 0, "KDMV");
  put_little_endian(bytes, 4, 3, 4);            // version
  put_little_endian(bytes, 8, 0x30001, 4);      // line ends below; grains are compressed; there are markers
  put_little_endian(bytes, 12, sectors_, 8);
  put_little_endian(bytes, 20, kGrain, 8);
  put_little_endian(bytes, 28, 1, 8);           // the descriptor's place
  put_little_endian(bytes, 36, kDescriptorSectors, 8);
  put_little_endian(bytes, 44, kGrains, 4);
  put_little_endian(bytes, 56, directory, 8);
  put_little_endian(bytes, 64, kFirstGrain, 8);
  put_text(bytes, 73, "\n \r\n");               // damaged if a transfer changed line ends
  put_little_endian(bytes, 77, 1, 2);           // deflate
  return bytes;
}

}  // namespace imgbuild
