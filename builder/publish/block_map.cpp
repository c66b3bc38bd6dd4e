#include "publish/block_map.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>

#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"
#include "util/parallel.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kGiB = 1ULL << 30;
constexpr std::size_t kRunBlocks = 128;  // 64 MiB a piece of work
constexpr std::string_view kHeading = "imgbuild block map 1";

BlockDigest digest_of_block(std::string_view block) {
  const std::string bytes = sha256_bytes(block);
  BlockDigest digest;
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

const BlockDigest& zero_digest() {
  static const BlockDigest digest = digest_of_block(std::string(kBlockSize, '\0'));
  return digest;
}

bool is_zero(std::string_view block) { return block.front() == 0 && std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0; }

/// Reads at most a block; less at the end of the file.
std::size_t read_at(int fd, const fs::path& path, char* buffer, std::uint64_t offset) {
  std::size_t have = 0;
  while (have < kBlockSize) {
    const ssize_t count = ::pread(fd, buffer + have, kBlockSize - have, static_cast<off_t>(offset + have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error(errno, path.native() + ": can't be read");
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  return have;
}

/// The start of the data at or behind 'offset'; the end of the file if there is none. Only a hint: data may be zeros too.
std::uint64_t next_data(int fd, std::uint64_t offset, std::uint64_t size) {
  const off_t found = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (found < 0) return errno == ENXIO ? size : offset;
  return static_cast<std::uint64_t>(found);
}

using Blocks = std::map<std::uint32_t, BlockDigest>;

/// The blocks of one piece of work.
Blocks scan_run(const fs::path& path, std::uint64_t first, std::uint64_t end, std::uint64_t size) {
  const io::File file = io::open_for_reading(path);  // of its own: lseek moves it
  Blocks blocks;
  std::string buffer(kBlockSize, '\0');
  for (std::uint64_t index = first; index < end; ++index) {
    check_interrupt();
    index = std::max(index, next_data(file.fd(), index * kBlockSize, size) / kBlockSize);
    if (index >= end || index * kBlockSize >= size) break;
    const std::size_t have = read_at(file.fd(), path, buffer.data(), index * kBlockSize);
    std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(have), buffer.end(), '\0');
    if (!is_zero(buffer)) blocks.emplace(static_cast<std::uint32_t>(index), digest_of_block(buffer));
  }
  return blocks;
}

std::string text_of(const BlockMap& map) {
  std::string text = fmt::format("{}\nGiB {}\n", kHeading, map.volume_gib);
  for (const auto& [index, digest] : map.blocks) text += fmt::format("{} {}\n", index, to_hex({digest.data(), digest.size()}));
  return text;
}

template <typename Number>
bool take_number(std::string_view& text, Number& value) {
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(next - text.data()));
  return error == std::errc();
}

bool take_digest(std::string_view hex, BlockDigest& digest) {
  if (!is_sha256(hex)) return false;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    unsigned char byte = 0;
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, byte, 16);
    digest[i] = static_cast<char>(byte);
  }
  return true;
}

}  // namespace

BlockMap scan_disk(const fs::path& disk, Status& status) {
  const std::uint64_t size = fs::file_size(disk);
  const std::uint64_t count = (size + kBlockSize - 1) / kBlockSize;
  BlockMap map = {.volume_gib = (size + kGiB - 1) / kGiB, .blocks = {}};
  std::mutex mutex;
  std::uint64_t done = 0;
  in_parallel((count + kRunBlocks - 1) / kRunBlocks, [&](std::size_t run) {
    const std::uint64_t first = run * kRunBlocks;
    Blocks blocks = scan_run(disk, first, std::min<std::uint64_t>(count, first + kRunBlocks), size);
    const std::lock_guard lock(mutex);
    map.blocks.merge(blocks);
    status.progress(done += kRunBlocks * kBlockSize, size, "");
  });
  return map;
}

std::string read_block(int fd, const fs::path& path, std::uint32_t index) {
  std::string block(kBlockSize, '\0');
  (void)read_at(fd, path, block.data(), std::uint64_t{index} * kBlockSize);
  return block;
}

std::string digest_of(const BlockMap& map) { return sha256(text_of(map)); }

std::vector<std::uint32_t> changed_blocks(const BlockMap& before, const BlockMap& now) {
  std::vector<std::uint32_t> changed;
  for (const auto& [index, digest] : now.blocks) {
    const auto old = before.blocks.find(index);
    if (old == before.blocks.end() || old->second != digest) changed.push_back(index);
  }
  for (const auto& [index, digest] : before.blocks) {
    if (!now.blocks.contains(index)) changed.push_back(index);
  }
  std::ranges::sort(changed);
  return changed;
}

BlockDigest digest_at(const BlockMap& map, std::uint32_t index) {
  const auto found = map.blocks.find(index);
  return found == map.blocks.end() ? zero_digest() : found->second;
}

std::string linear_checksum(const BlockMap& map, const std::vector<std::uint32_t>& indexes) {
  std::string digests;
  for (const std::uint32_t index : indexes) {
    const BlockDigest digest = digest_at(map, index);
    digests.append(digest.data(), digest.size());
  }
  return sha256_bytes(digests);
}

void write_map(const fs::path& path, const BlockMap& map) {
  const std::string text = text_of(map);
  io::write_file(path, text + sha256(text) + "\n", 0600);
}

std::optional<BlockMap> read_map(const fs::path& path) {
  if (!fs::is_regular_file(fs::symlink_status(path))) return std::nullopt;
  const std::string whole = io::read_file(path);
  if (whole.size() < 65 || whole.back() != '\n') return std::nullopt;
  std::string_view text(whole.data(), whole.size() - 65);
  if (sha256(text) != whole.substr(text.size(), 64)) return std::nullopt;
  BlockMap map;
  const std::string start = fmt::format("{}\nGiB ", kHeading);
  if (!text.starts_with(start)) return std::nullopt;
  text.remove_prefix(start.size());
  if (!take_number(text, map.volume_gib)) return std::nullopt;
  while (text != "\n") {
    text.remove_prefix(1);
    std::uint32_t index = 0;
    BlockDigest digest;
    if (!take_number(text, index) || text.size() < 66 || !take_digest(text.substr(1, 64), digest)) return std::nullopt;
    map.blocks.emplace(index, digest);
    text.remove_prefix(65);
  }
  return map;
}

}  // namespace imgbuild
