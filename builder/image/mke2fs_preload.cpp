/// Loaded into mke2fs (LD_PRELOAD) by make_ext4, so that `mke2fs -d` gives the same bytes for the same tree:
/// - folders are read in byte order, whatever order the host's file system has;
/// - access and change times become the modification time, and none is later than IMGBUILD_NEWEST (seconds);
/// - folders listed in IMGBUILD_EMPTY ("device:inode,…") look empty: another partition is mounted there.
/// mke2fs 1.46 calls opendir and readdir, 1.47 scandir; both lstat and fstat (`nm -D` shows them).

#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
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

}  // namespace

extern "C" {

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
