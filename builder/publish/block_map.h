#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

inline constexpr std::size_t kBlockSize = 512 << 10;  ///< of EBS direct
using BlockDigest = std::array<char, 32>;             ///< SHA-256

/// What is on a disk: the digest of each block that is not all zeros, by index. The last block is padded with zeros.
struct BlockMap {
  std::uint64_t volume_gib = 0;  ///< of the volume that it fits in: the disk's size in whole GiB
  std::map<std::uint32_t, BlockDigest> blocks;
  bool operator==(const BlockMap&) const = default;
};

/// Reads a raw disk, by all processors, holes not at all.
[[nodiscard]] BlockMap scan_disk(const std::filesystem::path& disk, Status& status);

/// The block at 'index' of the file 'fd', padded. Throws Error.
[[nodiscard]] std::string read_block(int fd, const std::filesystem::path& path, std::uint32_t index);

/// Digest of the whole map: the same for the same disk, however it is stored.
[[nodiscard]] std::string digest_of(const BlockMap& map);

/// The indexes that must be sent for a volume that holds 'before' to hold 'now': those that differ and those that became zero.
[[nodiscard]] std::vector<std::uint32_t> changed_blocks(const BlockMap& before, const BlockMap& now);

/// The digest of the block at 'index', also of one that is all zeros.
[[nodiscard]] BlockDigest digest_at(const BlockMap& map, std::uint32_t index);

/// EBS direct's LINEAR aggregate: SHA-256 of the digests of 'indexes', which ascend, one after the other.
[[nodiscard]] std::string linear_checksum(const BlockMap& map, const std::vector<std::uint32_t>& indexes);

/// One line a block, "INDEX DIGEST", and the digest of all lines at the end.
void write_map(const std::filesystem::path& path, const BlockMap& map);
/// Nothing if there is none, or it is damaged: the next upload is whole then.
[[nodiscard]] std::optional<BlockMap> read_map(const std::filesystem::path& path);

}  // namespace imgbuild
