#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "util/io.h"

namespace imgbuild {

/// Bytes that the formats compress at once: a cluster of qcow2, a grain of VMDK.
inline constexpr std::uint64_t kCluster = 64 << 10;
/// Bytes that are read at once: a block of VHDX.
inline constexpr std::uint64_t kPiece = 1 << 20;
inline constexpr std::size_t kClustersInPiece = kPiece / kCluster;

/// What can be made of a piece on another processor, while files are written on this one.
enum class Encoding {
  zstd_clusters,     ///< a zstd frame for each cluster
  deflate_clusters,  ///< RFC 1951 for each cluster
  zstd_frame,        ///< one zstd frame with a checksum
  digest,            ///< SHA-256
};

/// A part of a disk on its way into files.
struct Piece {
  std::uint64_t offset = 0;  ///< a multiple of kPiece
  std::uint64_t size = 0;    ///< of it inside the disk; less than kPiece at the end of the disk only
  std::string bytes;         ///< kPiece; zeros after the end of the disk
  std::array<bool, kClustersInPiece> is_zero = {};
  std::array<std::string, kClustersInPiece> zstd;     ///< empty for zeros, and where it would be no shorter than a cluster
  std::array<std::string, kClustersInPiece> deflate;  ///< empty for zeros; may be longer than a cluster
  std::string frame;   ///< of 'size' bytes
  std::string digest;  ///< hex, of 'bytes'

  [[nodiscard]] bool is_all_zero() const;
  [[nodiscard]] std::string_view cluster(std::size_t index) const {
    return std::string_view(bytes).substr(index * kCluster, kCluster);
  }
};

/// A sparse raw disk, read once from its beginning to its end. Its length must be a multiple of 512.
class DiskReader {
 public:
  explicit DiskReader(const std::filesystem::path& raw);

  [[nodiscard]] std::uint64_t length() const { return length_; }
  /// Offset of the next piece that is not in a hole; nothing at the end.
  [[nodiscard]] std::optional<std::uint64_t> next();
  /// From any thread. Throws Error if the file became shorter.
  [[nodiscard]] Piece read(std::uint64_t offset) const;

 private:
  io::File file_;
  std::uint64_t length_;
  std::uint64_t at_ = 0;        ///< not looked at yet
  std::uint64_t data_end_ = 0;  ///< of the stretch of data that at_ is in
};

/// Fills in what is wanted. From any thread.
void encode(Piece& piece, const std::set<Encoding>& wanted);

/// A zstd frame of 'size' zeros.
[[nodiscard]] std::string zero_frame(std::uint64_t size);

/// The check sum of RFC 1950.
[[nodiscard]] std::uint32_t adler32(std::string_view bytes);

[[nodiscard]] constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }
[[nodiscard]] constexpr std::uint64_t round_up(std::uint64_t a, std::uint64_t b) { return divide_up(a, b) * b; }

}  // namespace imgbuild
