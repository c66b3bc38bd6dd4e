#include "image/qcow2.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"
#include "util/parallel.h"

namespace imgbuild {
namespace fs = std::filesystem;

// All numbers are big-endian. What depends on the size of the data comes after it:
//
//   cluster 0   header
//   cluster 1…  data: compressed clusters one after the other without gaps; one that does not shrink as it is, aligned
//   then        L2 tables   one for 8192 clusters of the disk that has any data: where each of them is
//               L1 table    where each L2 table is
//               refcounts   blocks of 32768 × 16 bit: by how many clusters of the disk each cluster of this file is used
//               their table where each block is

namespace {

constexpr std::uint64_t kClusterBits = 16;
constexpr std::uint64_t kCluster = 1 << kClusterBits;
constexpr std::uint64_t kEntries = kCluster / 8;         // of a table
constexpr std::uint64_t kCounts = kCluster / 2;          // of a refcount block
constexpr std::uint64_t kCopied = 1ULL << 63;            // used by nobody else
constexpr std::uint64_t kCompressed = 1ULL << 62;
constexpr unsigned kSectorsShift = 62 - (kClusterBits - 8);  // of the number of sectors in a compressed cluster's entry
constexpr std::uint64_t kSector = 512;
constexpr std::size_t kBatch = 256;                      // clusters: 16 MiB of the disk at once
/// Level 1 takes half the time of 3, QEMU's, for 4 % more bytes (a web-master's tree).
constexpr int kLevel = 1;

void put(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(value >> (8 * (size - 1 - i)));
}

constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

std::string read_cluster(const io::File& file, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(kCluster, '\0');
  for (std::uint64_t done = 0; done < size;) {
    const ssize_t got = ::pread(file.fd(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, fmt::format("cannot read '{}'", file.path().native()));
    if (got == 0) throw Error(ExitCode::step_failed, "{}: became shorter while it was read", file.path().native());
    done += static_cast<std::uint64_t>(got);
  }
  return bytes;
}

bool is_zero(const std::string& bytes) { return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0; }

/// One frame; or the bytes themselves if they do not shrink; or nothing for zeros.
std::string compress(const std::string& bytes) {
  if (is_zero(bytes)) return {};
  thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  std::string out(kCluster, '\0');
  const std::size_t size = ZSTD_compressCCtx(context.get(), out.data(), out.size() - 1, bytes.data(), bytes.size(), kLevel);
  if (ZSTD_isError(size) != 0) return bytes;  // no room in less than a cluster
  out.resize(size);
  return out;
}

/// Numbers of the clusters that are not in holes of the file.
std::vector<std::uint64_t> clusters_with_data(const io::File& file, std::uint64_t length) {
  std::vector<std::uint64_t> clusters;
  for (off_t at = 0; at < static_cast<off_t>(length);) {
    const off_t data = ::lseek(file.fd(), at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    const off_t hole = data < 0 ? -1 : ::lseek(file.fd(), data, SEEK_HOLE);
    if (hole < 0) throw system_error(errno, fmt::format("cannot find the holes of '{}'", file.path().native()));
    std::uint64_t first = static_cast<std::uint64_t>(data) / kCluster;
    if (!clusters.empty()) first = std::max(first, clusters.back() + 1);
    for (std::uint64_t i = first; i < divide_up(static_cast<std::uint64_t>(hole), kCluster); ++i) clusters.push_back(i);
    at = hole;
  }
  return clusters;
}

class Writer {
 public:
  Writer(const fs::path& out, std::uint64_t length)
      : file_(io::create_exclusive(out, 0644)), length_(length), entries_(divide_up(length, kCluster)) {}

  void add(std::uint64_t cluster, const std::string& bytes) {
    if (bytes.empty()) return;
    if (bytes.size() == kCluster) {
      end_ = divide_up(end_, kCluster) * kCluster;
      entries_[cluster] = end_ | kCopied;
    } else {
      // Sectors after the one in which it begins.
      const std::uint64_t sectors = (end_ + bytes.size() - 1) / kSector - end_ / kSector;
      entries_[cluster] = end_ | kCompressed | sectors << kSectorsShift;
    }
    append(bytes);
  }

  void finish() {
    align();
    const std::vector<std::uint64_t> tables = append_l2_tables();
    const std::uint64_t l1 = align();
    append(table(tables));
    align();
    append_refcounts();
    io::write_all_at(file_, header(l1, tables.size()), 0);
  }

 private:
  /// Counts use of the clusters of this file that the bytes lie in.
  void append(const std::string& bytes) {
    io::write_all_at(file_, bytes, end_);
    const std::uint64_t last = (end_ + bytes.size() - 1) / kCluster;
    counts_.resize(std::max<std::size_t>(counts_.size(), last + 1));
    for (std::uint64_t i = end_ / kCluster; i <= last; ++i) ++counts_[i];
    end_ += bytes.size();
  }

  std::uint64_t align() { return end_ = divide_up(end_, kCluster) * kCluster; }

  static std::string table(const std::vector<std::uint64_t>& values) {
    std::string bytes(divide_up(values.size(), kEntries) * kCluster, '\0');
    for (std::size_t i = 0; i < values.size(); ++i) put(bytes, i * 8, values[i], 8);
    return bytes;
  }

  std::vector<std::uint64_t> append_l2_tables() {
    std::vector<std::uint64_t> tables;
    for (std::size_t at = 0; at < entries_.size(); at += kEntries) {
      const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end = begin + static_cast<std::ptrdiff_t>(std::min(kEntries, entries_.size() - at));
      const bool is_used = std::any_of(begin, end, [](std::uint64_t entry) { return entry != 0; });
      tables.push_back(is_used ? end_ | kCopied : 0);
      if (is_used) append(table({begin, end}));
    }
    return tables;
  }

  /// They count themselves, so first their number is found.
  void append_refcounts() {
    const std::uint64_t clusters = end_ / kCluster;
    std::uint64_t blocks = 0;
    std::uint64_t table_clusters = 0;
    for (std::uint64_t all = 0; all != clusters + blocks + table_clusters;) {
      all = clusters + blocks + table_clusters;
      blocks = divide_up(all, kCounts);
      table_clusters = divide_up(blocks, kEntries);
    }
    counts_.resize(clusters + blocks + table_clusters, 1);
    std::vector<std::uint64_t> places;
    for (std::uint64_t block = 0; block < blocks; ++block) {
      std::string bytes(kCluster, '\0');
      for (std::uint64_t i = 0; i < kCounts && block * kCounts + i < counts_.size(); ++i) put(bytes, i * 2, counts_[block * kCounts + i], 2);
      places.push_back(end_);
      io::write_all_at(file_, bytes, end_);
      end_ += kCluster;
    }
    refcount_table_ = end_;
    refcount_clusters_ = table_clusters;
    io::write_all_at(file_, table(places), end_);
  }

  [[nodiscard]] std::string header(std::uint64_t l1, std::size_t l1_size) const {
    std::string bytes(120, '\0');
    put(bytes, 0, 0x514649fb, 4);           // "QFI\xfb"
    put(bytes, 4, 3, 4);                    // version
    put(bytes, 20, kClusterBits, 4);
    put(bytes, 24, length_, 8);
    put(bytes, 36, l1_size, 4);
    put(bytes, 40, l1, 8);
    put(bytes, 48, refcount_table_, 8);
    put(bytes, 56, refcount_clusters_, 4);
    put(bytes, 72, 1 << 3, 8);              // incompatible feature: the compression type
    put(bytes, 96, 4, 4);                   // refcounts of 1 << 4 bits
    put(bytes, 100, 112, 4);                // length of the header, extensions follow: none
    put(bytes, 104, 1, 1);                  // zstd
    return bytes;
  }

  io::File file_;
  std::uint64_t length_;
  std::vector<std::uint64_t> entries_;          // of all L2 tables
  std::vector<std::uint16_t> counts_ = {1};     // of this file's clusters; the header's
  std::uint64_t end_ = kCluster;
  std::uint64_t refcount_table_ = 0;
  std::uint64_t refcount_clusters_ = 0;
};

}  // namespace

void write_qcow2(const fs::path& raw, const fs::path& out) {
  const io::File source = io::open_for_reading(raw);
  const std::uint64_t length = fs::file_size(raw);
  const std::vector<std::uint64_t> clusters = clusters_with_data(source, length);
  Writer writer(out, length);
  std::vector<std::string> batch(kBatch);
  for (std::size_t at = 0; at < clusters.size(); at += kBatch) {
    check_interrupt();
    const std::size_t count = std::min(kBatch, clusters.size() - at);
    in_parallel(count, [&](std::size_t i) {
      const std::uint64_t offset = clusters[at + i] * kCluster;
      batch[i] = compress(read_cluster(source, offset, std::min(kCluster, length - offset)));
    });
    for (std::size_t i = 0; i < count; ++i) writer.add(clusters[at + i], batch[i]);
  }
  writer.finish();
}

}  // namespace imgbuild
