#include "image/vhd.h"

#include <algorithm>

#include "image/content_id.h"
#include "image/numbers.h"

namespace imgbuild {
namespace {

constexpr std::uint64_t kSector = 512;

/// Cylinders, heads and sectors of a track, as the specification's appendix computes them: a disk larger than 127 GiB has the
/// largest that there are.
std::string geometry(std::uint64_t sectors) {
  const std::uint64_t total = std::min<std::uint64_t>(sectors, 65535ULL * 16 * 255);
  std::uint64_t track = 255;
  std::uint64_t heads = 16;
  if (total < 65535ULL * 16 * 63) {
    track = 17;
    heads = std::max<std::uint64_t>(4, divide_up(total / track, 1024));
    if (heads > 16 || total / track >= heads * 1024) {
      track = 31;
      heads = 16;
    }
    if (total / track >= heads * 1024) track = 63;
  }
  std::string bytes(4, '\0');
  put_big_endian(bytes, 0, total / track / heads, 2);
  put_big_endian(bytes, 2, heads, 1);
  put_big_endian(bytes, 3, track, 1);
  return bytes;
}

}  // namespace

// Numbers are big-endian; the time stamp (8 bytes at 24) stays zero.
std::string vhd_footer(std::uint64_t length, const std::string& id) {
  std::string bytes(kSector, '\0');
  put_text(bytes, 0, "conectix");
  put_big_endian(bytes, 8, 2, 4);              // features: a bit that is always set
  put_big_endian(bytes, 12, 0x10000, 4);       // version
  put_big_endian(bytes, 16, ~0ULL, 8);         // no other structures
  put_text(bytes, 28, "win ");                 // made by: readers take the size below, not the geometry's, only from some
  put_big_endian(bytes, 32, 0x60001, 4);
  put_text(bytes, 36, "Wi2k");                 // its system
  put_big_endian(bytes, 40, length, 8);
  put_big_endian(bytes, 48, length, 8);
  put_text(bytes, 56, geometry(length / kSector));
  put_big_endian(bytes, 60, 2, 4);             // fixed
  put_text(bytes, 68, id);
  std::uint32_t sum = 0;
  for (const char byte : bytes) sum += static_cast<unsigned char>(byte);
  put_big_endian(bytes, 64, ~sum, 4);
  return bytes;
}

VhdWriter::VhdWriter(OutputFile& file, std::uint64_t length)
    : file_(file), length_(round_up(length, 1 << 20)), raw_(file, length_) {}

void VhdWriter::add(const Piece& piece) {
  raw_.add(piece);
  add_to_content(content_, piece);
}

void VhdWriter::finish() {
  raw_.finish();
  file_.append(vhd_footer(length_, content_id(content_.hex(), "vhd")));
}

}  // namespace imgbuild
