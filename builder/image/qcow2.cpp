#include "image/qcow2.h"

#include <algorithm>

#include "image/numbers.h"

namespace imgbuild {

// All numbers are big-endian.
//
//   cluster 0   header
//   cluster 1…  data: compressed clusters one after the other without gaps; one that does not shrink as it is, aligned
//               L2 table, after the data of 8192 clusters of the disk, if there is any: where each of them is
//   then        L1 table    where each L2 table is
//               refcounts   blocks of 32768 × 16 bit: by how many clusters of the disk each cluster of this file is used
//               their table where each block is

namespace {

constexpr std::uint64_t kEntries = kCluster / 8;  // of a table
constexpr std::uint64_t kCounts = kCluster / 2;   // of a refcount block
constexpr std::uint64_t kCopied = 1ULL << 63;     // used by nobody else
constexpr std::uint64_t kCompressed = 1ULL << 62;
constexpr unsigned kClusterBits = 16;
constexpr unsigned kSectorsShift = 62 - (kClusterBits - 8);  // of the number of sectors in a compressed cluster's entry
constexpr std::uint64_t kSector = 512;

std::string table(const std::vector<std::uint64_t>& values) {
  std::string bytes(divide_up(values.size(), kEntries) * kCluster, '\0');
  for (std::size_t i = 0; i < values.size(); ++i) put_big_endian(bytes, i * 8, values[i], 8);
  return bytes;
}

}  // namespace

Qcow2Writer::Qcow2Writer(OutputFile& file, std::uint64_t length, Compression compression)
    : file_(file), begin_(file.size()), length_(length), compression_(compression),
      tables_(divide_up(length, kCluster * kEntries)) {}

void Qcow2Writer::add(const Piece& piece) {
  const auto& compressed = compression_ == Compression::zstd ? piece.zstd : piece.deflate;
  for (std::size_t i = 0; i < kClustersInPiece; ++i) {
    if (!piece.is_zero[i]) add_cluster(piece.offset / kCluster + i, compressed[i], piece.cluster(i));
  }
}

void Qcow2Writer::add_cluster(std::uint64_t number, const std::string& compressed, std::string_view bytes) {
  if (number / kEntries != table_) append_table();
  table_ = number / kEntries;
  entries_.resize(kEntries);
  if (compressed.empty() || compressed.size() >= kCluster) {
    entries_[number % kEntries] = align() | kCopied;
    return append(bytes);
  }
  // Sectors after the one in which it begins.
  const std::uint64_t sectors = (end_ + compressed.size() - 1) / kSector - end_ / kSector;
  entries_[number % kEntries] = end_ | kCompressed | sectors << kSectorsShift;
  append(compressed);
}

void Qcow2Writer::finish() {
  append_table();
  const std::uint64_t l1 = align();
  append(table(tables_));
  align();
  append_refcounts();
  file_.write_at(begin_, header(l1));
}

void Qcow2Writer::append(std::string_view bytes) {
  file_.write_at(begin_ + end_, bytes);
  const std::uint64_t last = (end_ + bytes.size() - 1) / kCluster;
  counts_.resize(std::max<std::size_t>(counts_.size(), last + 1));
  for (std::uint64_t i = end_ / kCluster; i <= last; ++i) ++counts_[i];
  end_ += bytes.size();
}

std::uint64_t Qcow2Writer::align() { return end_ = round_up(end_, kCluster); }

void Qcow2Writer::append_table() {
  if (entries_.empty()) return;
  tables_[table_] = align() | kCopied;
  append(table(entries_));
  entries_.clear();
}

/// They count themselves, so first their number is found.
void Qcow2Writer::append_refcounts() {
  const std::uint64_t clusters = end_ / kCluster;
  std::uint64_t blocks = 0;
  for (std::uint64_t all = 0; all != clusters + blocks + refcount_clusters_;) {
    all = clusters + blocks + refcount_clusters_;
    blocks = divide_up(all, kCounts);
    refcount_clusters_ = divide_up(blocks, kEntries);
  }
  counts_.resize(clusters + blocks + refcount_clusters_, 1);
  std::vector<std::uint64_t> places;
  for (std::uint64_t first = 0; first < counts_.size(); first += kCounts) {
    std::string bytes(kCluster, '\0');
    for (std::uint64_t i = 0; i < kCounts && first + i < counts_.size(); ++i) put_big_endian(bytes, i * 2, counts_[first + i], 2);
    places.push_back(end_);
    file_.write_at(begin_ + end_, bytes);
    end_ += kCluster;
  }
  refcount_table_ = end_;
  file_.write_at(begin_ + end_, table(places));
}

std::string Qcow2Writer::header(std::uint64_t l1) const {
  const bool is_zstd = compression_ == Compression::zstd;
  std::string bytes(120, '\0');
  put_big_endian(bytes, 0, 0x514649fb, 4);            // "QFI\xfb"
  put_big_endian(bytes, 4, 3, 4);                     // version
  put_big_endian(bytes, 20, kClusterBits, 4);
  put_big_endian(bytes, 24, length_, 8);
  put_big_endian(bytes, 36, tables_.size(), 4);
  put_big_endian(bytes, 40, l1, 8);
  put_big_endian(bytes, 48, refcount_table_, 8);
  put_big_endian(bytes, 56, refcount_clusters_, 4);
  put_big_endian(bytes, 72, is_zstd ? 1 << 3 : 0, 8);  // incompatible feature: the compression type
  put_big_endian(bytes, 96, 4, 4);                     // refcounts of 1 << 4 bits
  put_big_endian(bytes, 100, 112, 4);                  // length of the header, extensions follow: none
  put_big_endian(bytes, 104, is_zstd ? 1 : 0, 1);
  return bytes;
}

}  // namespace imgbuild
