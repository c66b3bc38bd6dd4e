#include "keys/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxSize = 64 << 10;

void check_owner(const fs::path& path, const struct stat& info) {
  if (info.st_uid != ::geteuid()) {
    throw Error(ExitCode::bad_input, "{}: belongs to user {}, but we run as user {}", path.native(), info.st_uid,
                ::geteuid())
        .set_hint(fmt::format("run as its owner, or after looking into it: chown -R {} '{}'", ::geteuid(), path.native()));
  }
}

void check_closed(const fs::path& path, const struct stat& info, mode_t right_mode) {
  if ((info.st_mode & 077) != 0) {
    throw Error(ExitCode::bad_input, "{}: is open to others, with mode {:04o}", path.native(), info.st_mode & 07777)
        .set_hint(fmt::format("chmod {:04o} '{}', and replace what others may have read", right_mode, path.native()));
  }
}

Error refused_link(const fs::path& path, const char* wanted) {
  return Error(ExitCode::bad_input, "{}: is a link, but must be a {}", path.native(), wanted)
      .set_hint("replace the link by what it leads to");
}

/// Opens without following a link and without waiting for a pipe's other end; nothing if absent.
std::optional<io::File> open_plain(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) return io::File(fd, path);
  const int error = errno;
  if (error == ENOENT) return std::nullopt;
  if (error == ELOOP) throw refused_link(path, "file");
  throw system_error(error, fmt::format("cannot read '{}'", path.native()));
}

}  // namespace

void check_private_folder(const fs::path& folder) {
  struct stat info = {};
  if (::lstat(folder.c_str(), &info) != 0) {
    throw system_error(errno, fmt::format("cannot read folder '{}'", folder.native()));
  }
  if (S_ISLNK(info.st_mode)) throw refused_link(folder, "folder");
  if (!S_ISDIR(info.st_mode)) throw Error(ExitCode::bad_input, "{}: is no folder", folder.native());
  check_owner(folder, info);
  check_closed(folder, info, 0700);
}

std::optional<Secret> read_private_file(const fs::path& path) {
  const std::optional<io::File> file = open_plain(path);
  if (!file) return std::nullopt;
  struct stat info = {};
  if (::fstat(file->fd(), &info) != 0) throw system_error(errno, fmt::format("cannot read '{}'", path.native()));
  if (!S_ISREG(info.st_mode)) throw Error(ExitCode::bad_input, "{}: is no regular file", path.native());
  check_owner(path, info);
  check_closed(path, info, 0600);
  std::string content(kMaxSize + 1, '\0');  // one buffer that never moves: no copy stays behind
  std::size_t size = 0;
  while (const std::size_t got = io::read(*file, content.data() + size, content.size() - size)) size += got;
  if (size > kMaxSize) {
    cleanse(content);
    throw Error(ExitCode::bad_input, "{}: is longer than 64 KiB", path.native());
  }
  content.resize(size);
  return Secret(std::move(content));
}

}  // namespace imgbuild
