#include "util/io.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <utility>

#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild::io {
namespace fs = std::filesystem;

namespace {

/// Runs one changing system call through the fault point; throws on -1.
template <typename Call>
auto checked(const fs::path& path, const char* verb, Call call) {
  if (const int fault = fault_point()) throw system_error(fault, fmt::format("cannot {} '{}'", verb, path.native()));
  const auto result = call();
  if (result < 0) throw system_error(errno, fmt::format("cannot {} '{}'", verb, path.native()));
  return result;
}

std::string random_suffix() {
  std::random_device device;
  return fmt::format("{:08x}", device());
}

}  // namespace

File::~File() {
  if (fd_ >= 0) (void)::close(fd_);  // data that matters was synced before
}
File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

File open_for_reading(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    throw Error(ExitCode::bad_input, "cannot read '{}': {}", path.native(), std::strerror(error));
  }
  return {fd, path};
}

File create_exclusive(const fs::path& path, mode_t mode) {
  const int fd = checked(path, "create", [&] {
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0600);
  });
  File file(fd, path);
  try {
    checked(path, "set the mode of", [&] { return ::fchmod(fd, mode); });
  } catch (...) {
    (void)::unlink(path.c_str());  // we made it; what failed is thrown
    throw;
  }
  return file;
}

File open_for_update(const fs::path& path) {
  return {checked(path, "write", [&] { return ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC); }), path};
}

std::size_t read(const File& file, char* buffer, std::size_t size) {
  for (;;) {
    const ssize_t got = ::read(file.fd(), buffer, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) {
      const int error = errno;
      throw Error(ExitCode::bad_input, "cannot read '{}': {}", file.path().native(), std::strerror(error));
    }
    check_interrupt();
  }
}

void write_all(const File& file, std::string_view bytes) {
  while (!bytes.empty()) {
    check_interrupt();
    const ssize_t put = checked(file.path(), "write", [&] {
      const ssize_t result = ::write(file.fd(), bytes.data(), bytes.size());
      return result < 0 && errno == EINTR ? 0 : result;
    });
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

void write_all_at(const File& file, std::string_view bytes, std::uint64_t offset) {
  checked(file.path(), "seek in", [&] { return ::lseek(file.fd(), static_cast<off_t>(offset), SEEK_SET); });
  write_all(file, bytes);
}

void set_length(const File& file, ByteSize length) {
  checked(file.path(), "set the length of",
          [&] { return ::ftruncate(file.fd(), static_cast<off_t>(length.bytes)); });
}

void sync(const File& file) {
  checked(file.path(), "sync", [&] { return ::fsync(file.fd()); });
}

void sync_directory(const fs::path& directory) {
  const int fd = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw system_error(errno, fmt::format("cannot open folder '{}'", directory.native()));
  sync(File(fd, directory));
}

void rename(const fs::path& from, const fs::path& to) {
  checked(to, "rename to", [&] { return ::rename(from.c_str(), to.c_str()); });
}

void link_or_copy(const fs::path& from, const fs::path& to) {
  if (const int fault = fault_point()) throw system_error(fault, fmt::format("cannot link '{}'", to.native()));
  if (::link(from.c_str(), to.c_str()) == 0) return;
  const File source = open_for_reading(from);
  const File target = create_exclusive(to, 0644);
  std::string buffer(1 << 20, '\0');
  while (const std::size_t size = read(source, buffer.data(), buffer.size())) write_all(target, {buffer.data(), size});
  sync(target);
}

void remove_file(const fs::path& path) {
  checked(path, "remove", [&] { return ::unlink(path.c_str()); });
}

void remove_tree(const fs::path& path) {
  if (const int fault = fault_point()) throw system_error(fault, fmt::format("cannot remove '{}'", path.native()));
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw system_error(error.value(), fmt::format("cannot remove '{}'", path.native()));
}

void make_directories(const fs::path& path, mode_t mode) {
  if (path.empty() || fs::is_directory(path)) return;
  make_directories(path.parent_path(), mode);
  if (const int fault = fault_point()) throw system_error(fault, fmt::format("cannot make folder '{}'", path.native()));
  if (::mkdir(path.c_str(), mode) == 0) {
    if (::chmod(path.c_str(), mode) == 0) return;
  } else if (errno == EEXIST && fs::is_directory(path)) {
    return;  // another process made it in between
  }
  throw system_error(errno, fmt::format("cannot make folder '{}'", path.native()));
}

std::string read_file(const fs::path& path, ByteSize limit) {
  if (fs::is_directory(path)) throw Error(ExitCode::bad_input, "cannot read '{}': is a folder", path.native());
  const File file = open_for_reading(path);
  std::string content;
  std::string buffer(1 << 16, '\0');
  while (const std::size_t size = read(file, buffer.data(), buffer.size())) {
    content.append(buffer, 0, size);
    if (content.size() > limit.bytes) {
      throw Error(ExitCode::bad_input, "{}: is longer than {}", path.native(), format_byte_size(limit));
    }
  }
  return content;
}

AtomicFile::AtomicFile(fs::path path, mode_t mode)
    : path_(std::move(path)),
      temporary_(path_.parent_path() / fmt::format(".{}.{}", path_.filename().native(), random_suffix())) {
  file_.emplace(create_exclusive(temporary_, mode));
}

AtomicFile::~AtomicFile() {
  if (file_) (void)::unlink(temporary_.c_str());  // never committed; nothing to report to
}

void AtomicFile::commit() {
  sync(*file_);
  io::rename(temporary_, path_);
  file_.reset();
  sync_directory(path_.parent_path());
}

void write_file(const fs::path& path, std::string_view bytes, mode_t mode) {
  AtomicFile file(path, mode);
  file.write(bytes);
  file.commit();
}

namespace {

constexpr std::string_view kTemporaryPrefix = "tmp-";

std::optional<File> try_lock(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  File file(fd, path);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return file;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory(const fs::path& parent, std::string_view purpose) {
  make_directories(parent, 0700);
  // A sweeper leaves locked ones alone; one that came before our lock may have taken it for a leftover.
  for (int tries = 0; tries < 10 && (!lock_ || !fs::exists(path_)); ++tries) {
    path_ = parent / fmt::format("{}{}-{}", kTemporaryPrefix, purpose, random_suffix());
    make_directories(path_, 0700);
    lock_ = try_lock(path_);
  }
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // a leftover is swept by the next run
  fs::remove_all(path_, ignored);
}

std::size_t sweep_temporaries(const fs::path& parent) {
  std::size_t swept = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    if (!entry.path().filename().native().starts_with(kTemporaryPrefix)) continue;
    const std::optional<File> lock = try_lock(entry.path());
    if (!lock) continue;
    remove_tree(entry.path());
    ++swept;
  }
  return swept;
}

FileLock::FileLock(const fs::path& path, const std::function<void()>& on_wait, Sharing sharing)
    : file_(checked(path, "open lock", [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); }), path) {
  bool told = false;
  while (::flock(file_.fd(), (sharing == Sharing::alone ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      throw system_error(errno, fmt::format("cannot lock '{}'", path.native()));
    }
    if (!told) on_wait();
    told = true;
    check_interrupt();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

ByteSize free_space(const fs::path& path) {
  fs::path existing = fs::absolute(path);
  while (!fs::exists(existing)) existing = existing.parent_path();
  struct statvfs info = {};
  if (::statvfs(existing.c_str(), &info) != 0) {
    throw system_error(errno, fmt::format("cannot read the free space of '{}'", existing.native()));
  }
  return {std::uint64_t{info.f_bavail} * info.f_frsize};
}

}  // namespace imgbuild::io
