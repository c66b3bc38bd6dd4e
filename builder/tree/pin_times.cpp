#include "tree/pin_times.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace {

void check(int result, const char* doing, const std::string& path) {
  if (result != 0) throw system_error(errno, fmt::format("cannot {} '/{}'", doing, path));
}

/// A call that changes something, which tests can make fail.
template <typename Call>
void change(Call call, const char* doing, const std::string& path) {
  errno = io::fault_point();
  check(errno != 0 ? -1 : call(), doing, path);
}

/// The folder of the entry looked at, kept open while entries of the same one follow.
class OpenFolder {
 public:
  explicit OpenFolder(const RootFolder& root) : root_(root) {}
  int fd(std::string_view path) {
    if (!folder_ || path != path_) {
      folder_ = root_.open_folder(std::string(path), Links::refuse);
      path_ = path;
    }
    return folder_->fd();
  }

 private:
  const RootFolder& root_;
  std::optional<io::File> folder_;
  std::string path_;
};

/// Makes 'path' a name of the file 'first', if it is none any more. Its folder keeps its times.
void join(const RootFolder& root, const std::string& first, int folder, const std::string& path) {
  const auto [first_parent, first_name] = split_path(first);
  const std::string name(split_path(path).second);
  const io::File from = root.open_folder(std::string(first_parent), Links::refuse);
  struct stat one {}, other {}, times {};
  check(::fstatat(from.fd(), std::string(first_name).c_str(), &one, AT_SYMLINK_NOFOLLOW), "look at", first);
  check(::fstatat(folder, name.c_str(), &other, AT_SYMLINK_NOFOLLOW), "look at", path);
  if (one.st_dev == other.st_dev && one.st_ino == other.st_ino) return;
  check(::fstat(folder, &times), "look at the folder of", path);
  change([&] { return ::unlinkat(folder, name.c_str(), 0); }, "remove", path);
  change([&] { return ::linkat(from.fd(), std::string(first_name).c_str(), folder, name.c_str(), 0); }, "link", path);
  const timespec before[2] = {times.st_atim, times.st_mtim};
  change([&] { return ::utimensat(folder, ".", before, 0); }, "set the time of the folder of", path);
}

}  // namespace

void pin_times(const RootFolder& root, std::int64_t epoch) {
  OpenFolder folders(root);
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;  // of files with several
  for (const TreeEntry& entry : list_tree(root)) {
    const timespec& time = entry.status.st_mtim;
    if (time.tv_sec < epoch || (time.tv_sec == epoch && time.tv_nsec == 0)) continue;
    check_interrupt();
    const auto [parent, name] = split_path(entry.path);
    const int folder = folders.fd(parent);
    if (S_ISREG(entry.status.st_mode) && entry.status.st_nlink > 1) {
      const auto [first, is_first] = first_names.try_emplace({entry.status.st_dev, entry.status.st_ino}, entry.path);
      if (!is_first) {
        join(root, first->second, folder, entry.path);
        continue;
      }
    }
    const timespec times[2] = {{epoch, 0}, {epoch, 0}};
    const std::string last = name.empty() ? "." : std::string(name);
    change([&] { return ::utimensat(folder, last.c_str(), times, AT_SYMLINK_NOFOLLOW); }, "set the time of", entry.path);
  }
}

}  // namespace imgbuild
