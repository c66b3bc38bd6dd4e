#include "build/boot_digests.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/boot_loader.h"
#include "util/digest.h"
#include "util/gpt.h"

namespace imgbuild {
namespace {

constexpr std::size_t kPiece = 1 << 20;

// A FAT file system begins with a boot sector: 11 bytes a sector (2 bytes); FAT32: 48 sector of FSINFO (2), 65 state, 82 "FAT32   ";
// FAT12 and FAT16: 37 state. FSINFO: 488 free clusters (4), 492 next free cluster (4). Linux sets the state when it mounts the file
// system for writing and counts free clusters when asked how many there are (fs/fat/inode.c, fs/fat/misc.c).

unsigned two_bytes(const std::string& bytes, std::size_t pos) {
  return static_cast<unsigned char>(bytes[pos]) | static_cast<unsigned>(static_cast<unsigned char>(bytes[pos + 1])) << 8U;
}

/// 'head' is the first piece of the partition.
void forget_use(std::string& head) {
  if (head.size() < 512 || !head.starts_with("\xEB") || head.substr(510, 2) != "\x55\xAA") return;
  if (head.compare(82, 8, "FAT32   ") != 0) {
    head[37] = 0;
    return;
  }
  head[65] = 0;
  const std::size_t info = std::size_t{two_bytes(head, 48)} * two_bytes(head, 11);
  if (info + 496 <= head.size()) std::fill_n(head.begin() + static_cast<std::ptrdiff_t>(info) + 488, 8, '\0');
}

std::string digest_of(const Partition& partition, const ReadDisk& read) {
  const std::uint64_t start = partition.first_sector * kSectorSize;
  const std::uint64_t size = partition.sectors * kSectorSize;
  Sha256 digest;
  for (std::uint64_t done = 0; done < size; done += kPiece) {
    std::string piece = read(start + done, static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size - done)));
    if (done == 0 && partition.type == kEspType) forget_use(piece);
    digest.update(piece);
  }
  return digest.hex();
}

}  // namespace

std::map<std::string, std::string> boot_digests(const DiskLayout& layout, const ReadDisk& read) {
  std::map<std::string, std::string> digests = {{"code", sha256(read(0, kBootCodeSize))}};
  for (const Partition& partition : layout.partitions) {
    if (partition.content == Partition::Content::boot_area) digests[fmt::format("{}", partition.number)] = digest_of(partition, read);
  }
  return digests;
}

}  // namespace imgbuild
