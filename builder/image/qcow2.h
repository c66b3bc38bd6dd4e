#pragma once

#include <cstdint>
#include <vector>

#include "image/disk_writer.h"

namespace imgbuild {

/// Writes a disk as qcow2 (version 3, clusters of 64 KiB, each compressed by itself) into a file, from where that ends now.
/// Clusters of zeros are left out. The file's order must be 'anywhere'. Format: QEMU, docs/interop/qcow2.txt.
class Qcow2Writer {
 public:
  enum class Compression {
    zlib,  ///< read by everything that knows qcow2. (QEMU makes it with a window of 4 KiB, but unpacks a cluster in one call,
           ///< to which a window of 32 KiB is as good.)
    zstd,  ///< read by QEMU >= 5.1
  };
  Qcow2Writer(OutputFile& file, std::uint64_t length, Compression compression);

  /// Looks at the encoding of its compression: zstd_clusters or deflate_clusters.
  void add(const Piece& piece);
  void finish();

 private:
  void add_cluster(std::uint64_t number, const std::string& compressed, std::string_view bytes);
  /// Counts use of the clusters of the file that the bytes lie in.
  void append(std::string_view bytes);
  std::uint64_t align();
  void append_table();
  void append_refcounts();
  [[nodiscard]] std::string header(std::uint64_t l1) const;

  OutputFile& file_;
  std::uint64_t begin_;                      // of qcow2 in the file
  std::uint64_t length_;
  Compression compression_;
  std::vector<std::uint64_t> tables_;        // where each L2 table is; 0: nowhere
  std::vector<std::uint64_t> entries_;       // of the L2 table at hand; empty: none has anything yet
  std::uint64_t table_ = 0;                  // its number
  std::vector<std::uint16_t> counts_ = {1};  // of this file's clusters; the header's
  std::uint64_t end_ = kCluster;
  std::uint64_t refcount_table_ = 0;
  std::uint64_t refcount_clusters_ = 0;
};

}  // namespace imgbuild
