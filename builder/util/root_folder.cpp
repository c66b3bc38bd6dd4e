#include "util/root_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

std::string_view relative(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

/// -1 and errno as open(2).
int open_beneath(int root, std::string_view path, int flags, Links links) {
  const std::string name(relative(path).empty() ? std::string_view(".") : relative(path));
  open_how how = {};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC;
  how.resolve = links == Links::inside ? RESOLVE_IN_ROOT : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  long fd;
  do {
    fd = ::syscall(SYS_openat2, root, name.c_str(), &how, sizeof how);
  } while (fd < 0 && (errno == EAGAIN || errno == EINTR) && interrupt_signal() == 0);
  return static_cast<int>(fd);
}

bool is_absent(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

[[noreturn]] void fail(const RootFolder& root, std::string_view verb, std::string_view path, int error) {
  throw system_error(error, fmt::format("cannot {} '/{}' in tree '{}'", verb, relative(path), root.path().native()));
}

/// Runs one changing call through the fault point.
template <typename Call>
int checked(const RootFolder& root, std::string_view verb, std::string_view path, Call call) {
  if (const int fault = io::fault_point()) fail(root, verb, path, fault);
  const int result = call();
  if (result < 0) fail(root, verb, path, errno);
  return result;
}

using Directory = std::unique_ptr<DIR, decltype([](DIR* dir) { ::closedir(dir); })>;

Directory open_directory(int parent, const char* name) {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return nullptr;
  return Directory(::fdopendir(fd));
}

/// Names in a folder, sorted by bytes; nothing and errno if it can't be read.
std::optional<std::vector<std::string>> names_in(DIR* directory) {
  if (directory == nullptr) return std::nullopt;
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return std::nullopt;
  std::sort(names.begin(), names.end());
  return names;
}

/// 0 or an errno.
int remove_at(int parent, const char* name);

int empty_at(int parent, const char* name) {
  const Directory directory = open_directory(parent, name);
  const std::optional<std::vector<std::string>> names = names_in(directory.get());
  if (!names) return errno;
  for (const std::string& child : *names) {
    if (const int error = remove_at(::dirfd(directory.get()), child.c_str())) return error;
  }
  return 0;
}

int remove_at(int parent, const char* name) {
  if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR) return errno;
  if (const int error = empty_at(parent, name)) return error;
  return ::unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

}  // namespace

std::pair<std::string_view, std::string_view> split_path(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

RootFolder::RootFolder(const fs::path& folder)
    : root_(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), folder) {
  if (root_.fd() < 0) throw system_error(errno, fmt::format("cannot open tree '{}'", folder.native()));
  const io::File probe(open_beneath(root_.fd(), "", O_PATH | O_DIRECTORY, Links::inside), folder);
  if (probe.fd() < 0) {
    throw Error(ExitCode::host_unfit, "this kernel lacks openat2: {}", std::strerror(errno))
        .set_hint("imgbuild needs Linux 5.6 or newer");
  }
}

io::File RootFolder::open_folder(std::string_view path, Links links) const {
  const int fd = open_beneath(root_.fd(), path, O_PATH | O_DIRECTORY, links);
  if (fd < 0) fail(*this, "open folder", path, errno);
  return {fd, root_.path() / relative(path)};
}

io::File RootFolder::open_file(std::string_view path) const {
  const int fd = open_beneath(root_.fd(), path, O_RDONLY | O_NOCTTY | O_NONBLOCK, Links::inside);
  if (fd < 0) fail(*this, "read", path, errno);
  return {fd, root_.path() / relative(path)};
}

std::optional<struct stat> RootFolder::status(std::string_view path) const {
  const io::File file(open_beneath(root_.fd(), path, O_PATH | O_NOFOLLOW, Links::inside), path);
  if (file.fd() < 0 && is_absent(errno)) return std::nullopt;
  struct stat status = {};
  if (file.fd() < 0 || ::fstat(file.fd(), &status) != 0) fail(*this, "look at", path, errno);
  return status;
}

std::string RootFolder::read_link(std::string_view path) const {
  const io::File file(open_beneath(root_.fd(), path, O_PATH | O_NOFOLLOW, Links::inside), path);
  std::string target(PATH_MAX, '\0');
  const ssize_t size = file.fd() < 0 ? -1 : ::readlinkat(file.fd(), "", target.data(), target.size());
  if (size < 0) fail(*this, "read the link", path, errno);
  target.resize(static_cast<std::size_t>(size));
  return target;
}

std::string RootFolder::read_file(std::string_view path) const {
  const io::File file = open_file(path);
  std::string content;
  std::string buffer(1 << 16, '\0');
  while (const std::size_t size = io::read(file, buffer.data(), buffer.size())) content.append(buffer, 0, size);
  return content;
}

io::File RootFolder::create_file(std::string_view path, mode_t mode) const {
  const auto [folder, name] = split_path(path);
  const io::File parent = open_folder(folder, Links::inside);
  checked(*this, "replace", path, [&] {
    return ::unlinkat(parent.fd(), std::string(name).c_str(), 0) == 0 || errno == ENOENT ? 0 : -1;
  });
  const int fd = checked(*this, "create", path, [&] {
    return ::openat(parent.fd(), std::string(name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  });
  io::File file(fd, root_.path() / relative(path));
  checked(*this, "set the owner of", path, [&] { return ::fchown(fd, ::geteuid(), ::getegid()); });
  checked(*this, "set the mode of", path, [&] { return ::fchmod(fd, mode); });
  return file;
}

void RootFolder::write_file(std::string_view path, std::string_view bytes, mode_t mode) const {
  io::write_all(create_file(path, mode), bytes);
}

void RootFolder::make_folder(std::string_view path, mode_t mode) const {
  if (relative(path).empty()) return;
  const io::File existing(open_beneath(root_.fd(), path, O_PATH | O_DIRECTORY, Links::inside), path);
  if (existing.fd() >= 0) return;
  const auto [folder, name] = split_path(path);
  make_folder(folder, mode);
  const io::File parent = open_folder(folder, Links::inside);
  const std::string last(name);
  checked(*this, "make folder", path, [&] { return ::mkdirat(parent.fd(), last.c_str(), 0700); });
  checked(*this, "set the mode of", path, [&] { return ::fchmodat(parent.fd(), last.c_str(), mode, 0); });
}

void RootFolder::make_link(std::string_view path, const std::string& target) const {
  const auto [folder, name] = split_path(path);
  const io::File parent = open_folder(folder, Links::inside);
  const std::string last(name);
  checked(*this, "replace", path,
          [&] { return ::unlinkat(parent.fd(), last.c_str(), 0) == 0 || errno == ENOENT ? 0 : -1; });
  checked(*this, "link", path, [&] { return ::symlinkat(target.c_str(), parent.fd(), last.c_str()); });
}

void RootFolder::remove(std::string_view path) const {
  const auto [folder, name] = split_path(path);
  const io::File parent(open_beneath(root_.fd(), folder, O_PATH | O_DIRECTORY, Links::inside), folder);
  if (parent.fd() < 0 && is_absent(errno)) return;
  if (parent.fd() < 0) fail(*this, "remove", path, errno);
  checked(*this, "remove", path, [&] {
    errno = remove_at(parent.fd(), std::string(name).c_str());
    return errno == 0 ? 0 : -1;
  });
}

void RootFolder::empty_folder(std::string_view path) const {
  const io::File folder(open_beneath(root_.fd(), path, O_PATH | O_DIRECTORY, Links::inside), path);
  if (folder.fd() < 0 && is_absent(errno)) return;
  if (folder.fd() < 0) fail(*this, "empty", path, errno);
  checked(*this, "empty", path, [&] {
    errno = empty_at(folder.fd(), ".");
    return errno == 0 ? 0 : -1;
  });
}

namespace {

bool has_pattern(std::string_view component) { return component.find_first_of("*?[") != std::string_view::npos; }

std::vector<std::string> matching_names(const RootFolder& root, const std::string& folder, const std::string& pattern) {
  const int fd = open_beneath(root.fd(), folder, O_RDONLY | O_DIRECTORY, Links::inside);
  const Directory directory(fd < 0 ? nullptr : ::fdopendir(fd));
  std::vector<std::string> names = names_in(directory.get()).value_or(std::vector<std::string>{});
  std::erase_if(names, [&](const std::string& name) {
    return ::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) != 0;
  });
  return names;
}

}  // namespace

std::vector<std::string> RootFolder::glob(std::string_view pattern) const {
  std::vector<std::string> found = {""};
  for (const fs::path& part : fs::path(relative(pattern))) {
    std::vector<std::string> next;
    for (const std::string& folder : found) {
      if (!has_pattern(part.native())) {
        next.push_back(folder + "/" + part.native());
        continue;
      }
      for (const std::string& name : matching_names(*this, folder, part.native())) next.push_back(folder + "/" + name);
    }
    found = std::move(next);
  }
  std::erase_if(found, [this](const std::string& path) { return !exists(path); });
  std::sort(found.begin(), found.end());
  return found;
}

namespace {

void list_below(const RootFolder& root, DIR* directory, const std::string& prefix, std::vector<TreeEntry>& entries) {
  const std::optional<std::vector<std::string>> names = names_in(directory);
  if (!names) fail(root, "read folder", prefix, errno);
  check_interrupt();
  for (const std::string& name : *names) {
    TreeEntry entry{prefix + name, {}};
    if (::fstatat(::dirfd(directory), name.c_str(), &entry.status, AT_SYMLINK_NOFOLLOW) != 0) {
      fail(root, "look at", entry.path, errno);
    }
    entries.push_back(entry);
    if (!S_ISDIR(entry.status.st_mode)) continue;
    const Directory child = open_directory(::dirfd(directory), name.c_str());
    if (child == nullptr) fail(root, "read folder", entry.path, errno);
    list_below(root, child.get(), entry.path + "/", entries);
  }
}

}  // namespace

std::vector<TreeEntry> list_tree(const RootFolder& root) {
  const Directory directory = open_directory(root.fd(), ".");
  if (directory == nullptr) fail(root, "read folder", "", errno);
  std::vector<TreeEntry> entries(1);
  if (::fstat(::dirfd(directory.get()), &entries[0].status) != 0) fail(root, "look at", "", errno);
  list_below(root, directory.get(), "", entries);
  std::sort(entries.begin(), entries.end(), [](const TreeEntry& a, const TreeEntry& b) { return a.path < b.path; });
  return entries;
}

}  // namespace imgbuild
