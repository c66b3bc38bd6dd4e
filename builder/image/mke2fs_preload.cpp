/// Loaded into mke2fs (LD_PRELOAD) by make_ext4, so that `mke2fs -d` gives the same bytes for the same tree:
/// - folders are read in byte order, whatever order the host's file system has;
/// - access and change times become the modification time, and none is later than IMGBUILD_NEWEST (seconds);
/// - folders listed in IMGBUILD_EMPTY ("device:inode,…") look empty: another partition is mounted there.
/// And so that it takes half the time, with the same bytes:
/// - check sums come from the processor's instruction, which libext2fs does not use;
/// - blocks that follow one another are written by one call;
/// - nothing is synced: the disk is a file of ours that formats are made from.
/// mke2fs 1.46 calls opendir and readdir, 1.47 scandir; both lstat and fstat (`nm -D` shows them).

#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {

struct Listing {
  std::vector<dirent> entries;
  std::size_t next = 0;
};

std::map<DIR*, Listing>& listings() {
  static std::map<DIR*, Listing> open;
  return open;
}

template <typename Function>
Function* next_definition(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

bool looks_empty(const struct stat& info) {
  const char* empty = std::getenv("IMGBUILD_EMPTY");
  if (empty == nullptr) return false;
  const std::string id = "," + std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) + ",";
  return ("," + std::string(empty) + ",").find(id) != std::string::npos;
}

Listing sorted_listing(DIR* directory) {
  static const auto real_readdir = next_definition<dirent*(DIR*)>("readdir");
  Listing listing;
  struct stat info {};
  const bool empty = fstat(dirfd(directory), &info) == 0 && looks_empty(info);
  while (const dirent* entry = real_readdir(directory)) {
    if (!empty) listing.entries.push_back(*entry);
  }
  std::sort(listing.entries.begin(), listing.entries.end(),
            [](const dirent& a, const dirent& b) { return std::strcmp(a.d_name, b.d_name) < 0; });
  return listing;
}

void pin_times(struct stat64* info) {
  static const char* newest = std::getenv("IMGBUILD_NEWEST");
  const timespec limit{newest == nullptr ? info->st_mtim.tv_sec : std::atoll(newest), 0};
  if (info->st_mtim.tv_sec >= limit.tv_sec && newest != nullptr) info->st_mtim = limit;
  info->st_atim = info->st_mtim;
  info->st_ctim = info->st_mtim;
}

/// What mke2fs has written and the file has not: one run of bytes of one file, for its blocks mostly come in their order.
class PendingWrite {
 public:
  /// As pwrite64. An error of an earlier call may come with a later one, at the latest with fsync, which mke2fs ends with.
  ssize_t write(int fd, const char* bytes, std::size_t size, off64_t at) {
    const bool follows = fd == fd_ && at == at_ + static_cast<off64_t>(bytes_.size()) && bytes_.size() + size <= kMost;
    if (!follows && !flush()) return -1;
    if (bytes_.empty()) {
      fd_ = fd;
      at_ = at;
      bytes_.reserve(kMost);
    }
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    return static_cast<ssize_t>(size);
  }
  /// False if the file does not take the bytes, which are kept; errno says why.
  bool flush() {
    static const auto real = next_definition<ssize_t(int, const void*, std::size_t, off64_t)>("pwrite64");
    while (!bytes_.empty()) {
      const ssize_t written = real(fd_, bytes_.data(), bytes_.size(), at_);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      bytes_.erase(bytes_.begin(), bytes_.begin() + written);
      at_ += written;
    }
    return true;
  }
  bool flush(int fd) { return fd != fd_ || flush(); }

 private:
  static constexpr std::size_t kMost = 1U << 20;
  std::vector<char> bytes_;
  int fd_ = -1;
  off64_t at_ = 0;
};

PendingWrite& pending() {
  static PendingWrite write;
  return write;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) std::uint32_t crc32c(std::uint32_t crc, const unsigned char* bytes, std::size_t size) {
  std::uint64_t wide = crc;
  for (; size >= sizeof(std::uint64_t); size -= sizeof(std::uint64_t), bytes += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; size > 0; --size) crc = __builtin_ia32_crc32qi(crc, *bytes++);
  return crc;
}
#endif

}  // namespace

extern "C" {

std::uint32_t ext2fs_crc32c_le(std::uint32_t crc, const unsigned char* bytes, std::size_t size) {
#ifdef __x86_64__
  static const bool is_known = __builtin_cpu_supports("sse4.2") != 0;
  if (is_known) return crc32c(crc, bytes, size);
#endif
  static const auto real = next_definition<std::uint32_t(std::uint32_t, const unsigned char*, std::size_t)>("ext2fs_crc32c_le");
  return real(crc, bytes, size);
}

ssize_t pwrite64(int fd, const void* bytes, std::size_t size, off64_t at) {
  return pending().write(fd, static_cast<const char*>(bytes), size, at);
}

// Whatever else is done to a file finds in it what was written before.

ssize_t pread64(int fd, void* bytes, std::size_t size, off64_t at) {
  static const auto real = next_definition<ssize_t(int, void*, std::size_t, off64_t)>("pread64");
  return pending().flush(fd) ? real(fd, bytes, size, at) : -1;
}

int fallocate64(int fd, int mode, off64_t at, off64_t size) {
  static const auto real = next_definition<int(int, int, off64_t, off64_t)>("fallocate64");
  return pending().flush(fd) ? real(fd, mode, at, size) : -1;
}

int ftruncate64(int fd, off64_t size) noexcept {
  static const auto real = next_definition<int(int, off64_t)>("ftruncate64");
  return pending().flush(fd) ? real(fd, size) : -1;
}

int fsync(int fd) { return pending().flush(fd) ? 0 : -1; }

int close(int fd) {
  static const auto real = next_definition<int(int)>("close");
  const bool is_written = pending().flush(fd);
  return real(fd) == 0 && is_written ? 0 : -1;
}

DIR* opendir(const char* name) {
  static const auto real = next_definition<DIR*(const char*)>("opendir");
  DIR* directory = real(name);
  if (directory != nullptr) listings()[directory] = sorted_listing(directory);
  return directory;
}

dirent* readdir(DIR* directory) {
  Listing& listing = listings()[directory];
  return listing.next < listing.entries.size() ? &listing.entries[listing.next++] : nullptr;
}

int closedir(DIR* directory) {
  static const auto real = next_definition<int(DIR*)>("closedir");
  listings().erase(directory);
  return real(directory);
}

int scandir64(const char* path, dirent64*** entries, int (*filter)(const dirent64*),
              int (*)(const dirent64**, const dirent64**)) {
  using Compare = int(const dirent64**, const dirent64**);
  static const auto real =
      next_definition<int(const char*, dirent64***, int (*)(const dirent64*), Compare*)>("scandir64");
  struct stat info {};
  if (stat(path, &info) == 0 && looks_empty(info)) filter = [](const dirent64*) { return 0; };
  return real(path, entries, filter,
              [](const dirent64** a, const dirent64** b) { return std::strcmp((*a)->d_name, (*b)->d_name); });
}

int lstat64(const char* path, struct stat64* info) noexcept {
  static const auto real = next_definition<int(const char*, struct stat64*)>("lstat64");
  const int result = real(path, info);
  if (result == 0) pin_times(info);
  return result;
}

int fstat64(int fd, struct stat64* info) noexcept {
  static const auto real = next_definition<int(int, struct stat64*)>("fstat64");
  const int result = real(fd, info);
  if (result == 0) pin_times(info);
  return result;
}

}  // extern "C"
