#include "build/cache.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

void check_owner(const fs::path& folder) {
  struct stat info = {};
  if (::lstat(folder.c_str(), &info) != 0) throw system_error(errno, fmt::format("cannot look at '{}'", folder.native()));
  const std::string path = folder.native();
  if (S_ISLNK(info.st_mode)) throw Error(ExitCode::host_unfit, "{}: the cache is a link", path).set_hint("set XDG_CACHE_HOME to a real folder");
  if (info.st_uid != ::geteuid()) {
    throw Error(ExitCode::host_unfit, "{}: the cache belongs to user {}, not to us ({})", path, info.st_uid, ::geteuid())
        .set_hint("set XDG_CACHE_HOME to a folder of your own");
  }
  if ((info.st_mode & 022) != 0) {
    throw Error(ExitCode::host_unfit, "{}: the cache may be written by others (mode {:04o})", path, info.st_mode & 07777)
        .set_hint(fmt::format("chmod go-w '{}', after a look at what is in it", path));
  }
}

/// Has ext4 begin each folder below in another region of the disk (`chattr +T`). Near its parent a new tree lies where an old one was
/// just removed, and for minutes ext4 looks at each inode removed there before it makes a file: 15 s for a base instead of 1.
/// Other file systems refuse, or need it not.
void spread_folders_below(const fs::path& folder) {
  const io::File opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), folder);
  int flags = 0;
  if (::ioctl(opened.fd(), FS_IOC_GETFLAGS, &flags) != 0 || (flags & FS_TOPDIR_FL) != 0) return;
  flags |= FS_TOPDIR_FL;
  (void)::ioctl(opened.fd(), FS_IOC_SETFLAGS, &flags);  // only speed
}

}  // namespace

Cache find_cache() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && fs::path(xdg).is_absolute()) {
    return {fs::path(xdg) / "imgbuild"};
  }
  const char* home = std::getenv("HOME");
  return {fs::path(home != nullptr && *home != '\0' ? home : "/root") / ".cache" / "imgbuild"};
}

Cache open_cache() {
  const Cache cache = find_cache();
  io::make_directories(cache.root, 0700);
  check_owner(cache.root);
  for (const fs::path& folder : {cache.bases(), cache.layers(), cache.builds(), cache.downloads(), cache.packages(), cache.appliance(), cache.work()}) {
    io::make_directories(folder, 0700);
  }
  for (const fs::path& folder : {cache.layers(), cache.work()}) spread_folders_below(folder);
  // libguestfs names its own folder after the user id, and root of a user namespace has root's: it refused root's folder.
  (void)::setenv("LIBGUESTFS_CACHEDIR", cache.appliance().c_str(), 0);  // fails only without memory
  (void)io::sweep_temporaries(cache.work());
  (void)io::sweep_temporaries(cache.bases());
  return cache;
}

}  // namespace imgbuild
