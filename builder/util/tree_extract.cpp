#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <future>
#include <map>
#include <utility>
#include <vector>

#include "util/archive_handle.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"
#include "util/root_folder.h"
#include "util/tree_archive.h"
#include "util/tree_policy.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBlock = 4 << 20;

/// "./usr/bin/" → "usr/bin"; "." → "".
std::string_view plain_path(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path == "." ? std::string_view() : path;
}

/// The file's bytes on their way to libarchive, counted and digested: each block while libarchive works on it.
class Source {
 public:
  Source(const fs::path& path, BytesProgress progress)
      : file_(io::open_for_reading(path)), buffer_(kBlock), progress_(std::move(progress)), total_(fs::file_size(path)) {}

  /// The next bytes, none at the end.
  std::string_view next() {
    if (digested_.valid()) digested_.get();
    const std::string_view block(buffer_.data(), io::read(file_, buffer_.data(), buffer_.size()));
    digested_ = std::async(std::launch::async, [this, block] { digest_.update(block); });
    done_ += block.size();
    if (progress_ && !block.empty()) progress_(done_, total_);
    return block;
  }

  /// For libarchive, which exceptions must not pass.
  static la_ssize_t read(archive* handle, void* self, const void** buffer) noexcept {
    auto& source = *static_cast<Source*>(self);
    try {
      const std::string_view bytes = source.next();
      *buffer = bytes.data();
      return static_cast<la_ssize_t>(bytes.size());
    } catch (...) {
      source.failure = std::current_exception();
      archive_set_error(handle, EIO, "read error");
      return ARCHIVE_FATAL;
    }
  }

  std::string finish() {
    while (!next().empty()) {
    }
    digested_.get();
    return digest_.hex();
  }

  std::exception_ptr failure;

 private:
  io::File file_;
  std::vector<char> buffer_;
  BytesProgress progress_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  Sha256 digest_;
  std::future<void> digested_;  ///< of the block in the buffer; last, so that its end is waited for first
};

/// Writes entries below one folder. Names are resolved without following any link.
class Extraction {
 public:
  Extraction(const fs::path& tar, const fs::path& folder, archive* reader) : tar_(tar), root_(folder), reader_(reader) {}

  void add(archive_entry* entry) {
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) throw Error(ExitCode::bad_input, "{}: an entry has no readable name", tar_.native());
    path_ = plain_path(name);
    if (name[0] == '/' || fs::path(path_).lexically_normal() != fs::path(path_)) refuse("is no plain path");
    if (archive_entry_hardlink(entry) != nullptr) return add_hard_link(archive_entry_hardlink(entry));
    const mode_t mode = archive_entry_mode(entry);
    if (S_ISDIR(mode)) return add_folder(entry);
    if (S_ISLNK(mode)) return add_link(entry);
    if (S_ISREG(mode)) return add_file(entry);
    if (!may_be_left_out(path_)) refuse("is a device, FIFO or socket");
  }

  /// Times of folders, once nothing more is put into them.
  void finish() {
    for (const auto& [path, seconds] : folder_times_) {
      const io::File folder = root_.open_folder(path, Links::refuse);
      path_ = path;
      set_time(folder.fd(), ".", seconds);
    }
  }

 private:
  [[noreturn]] void refuse(std::string_view why) const {
    throw Error(ExitCode::bad_input, "{}: entry '{}' {}", tar_.native(), path_, why);
  }

  template <typename Call>
  int checked(const char* verb, Call call) const {
    const int fault = io::fault_point();
    const int result = fault != 0 ? -1 : call();
    if (result >= 0) return result;
    const int error = fault != 0 ? fault : errno;
    if (error == EEXIST) refuse("is there twice");
    throw system_error(error, fmt::format("cannot {} '{}'", verb, (root_.path() / path_).native()));
  }

  /// The folder a path lies in; entries come folder by folder, so the last one is kept open.
  int parent_of(std::string_view path) {
    const std::string_view folder = split_path(path).first;
    if (!parent_ || folder != parent_path_) {
      parent_ = root_.open_folder(folder, Links::refuse);
      parent_path_ = folder;
    }
    return parent_->fd();
  }

  static std::string last_name(std::string_view path) { return std::string(split_path(path).second); }

  void set_time(int folder, const char* name, std::int64_t seconds) const {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    checked("set the time of", [&] { return ::utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW); });
  }

  void set_owner_mode_attributes(int fd, archive_entry* entry) const {
    const auto uid = static_cast<uid_t>(archive_entry_uid(entry));
    const auto gid = static_cast<gid_t>(archive_entry_gid(entry));
    checked("set the owner of", [&] { return ::fchown(fd, uid, gid); });
    checked("set the mode of", [&] { return ::fchmod(fd, archive_entry_mode(entry) & 07777); });
    archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      if (is_tree_attribute(name)) {
        checked("set an attribute of", [&] { return ::fsetxattr(fd, name, value, size, 0); });
      }
    }
  }

  void add_folder(archive_entry* entry) {
    if (!path_.empty()) {
      const int parent = parent_of(path_);
      checked("make folder", [&] { return ::mkdirat(parent, last_name(path_).c_str(), 0700); });
    }
    const io::File handle = root_.open_folder(path_, Links::refuse);
    const io::File folder(
        checked("open", [&] { return ::openat(handle.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }), path_);
    set_owner_mode_attributes(folder.fd(), entry);
    folder_times_[path_] = archive_entry_mtime(entry);
  }

  void add_link(archive_entry* entry) {
    const int parent = parent_of(path_);
    const std::string name = last_name(path_);
    const char* target = archive_entry_symlink(entry);
    if (target == nullptr) refuse("has no readable link target");
    checked("link", [&] { return ::symlinkat(target, parent, name.c_str()); });
    checked("set the owner of", [&] {
      return ::fchownat(parent, name.c_str(), static_cast<uid_t>(archive_entry_uid(entry)),
                        static_cast<gid_t>(archive_entry_gid(entry)), AT_SYMLINK_NOFOLLOW);
    });
    set_time(parent, name.c_str(), archive_entry_mtime(entry));
  }

  void add_hard_link(const char* target_name) {
    const std::string_view target = plain_path(target_name);
    const int parent = parent_of(path_);
    const io::File target_folder = root_.open_folder(split_path(target).first, Links::refuse);
    const std::string target_last = last_name(target);
    struct stat status = {};
    if (::fstatat(target_folder.fd(), target_last.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        S_ISDIR(status.st_mode)) {
      refuse(fmt::format("is a hard link to '{}', which is no file before it", target_name));
    }
    checked("link", [&] {
      return ::linkat(target_folder.fd(), target_last.c_str(), parent, last_name(path_).c_str(), 0);
    });
  }

  void add_file(archive_entry* entry) {
    const int parent = parent_of(path_);
    const io::File file(checked("create",
                                [&] {
                                  return ::openat(parent, last_name(path_).c_str(),
                                                  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                                }),
                        path_);
    write_content(file, archive_entry_size(entry));
    set_owner_mode_attributes(file.fd(), entry);
    const std::int64_t seconds = archive_entry_mtime(entry);
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    checked("set the time of", [&] { return ::futimens(file.fd(), times); });
  }

  /// Copies the data, leaving holes where the archive has them.
  void write_content(const io::File& file, std::int64_t size) {
    const void* data = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    std::int64_t end = 0;
    int result;
    while ((result = archive_read_data_block(reader_, &data, &length, &offset)) == ARCHIVE_OK) {
      std::string_view bytes(static_cast<const char*>(data), length);
      end = offset + static_cast<std::int64_t>(length);
      for (; !bytes.empty(); check_interrupt()) {
        const int put = checked("write", [&] { return static_cast<int>(::pwrite(file.fd(), bytes.data(), bytes.size(), offset)); });
        bytes.remove_prefix(static_cast<std::size_t>(put));
        offset += put;
      }
    }
    if (result != ARCHIVE_EOF) refuse(fmt::format("is damaged: {}", archive_error_string(reader_)));
    if (end < size) checked("set the length of", [&] { return ::ftruncate(file.fd(), size); });
  }

  const fs::path& tar_;
  RootFolder root_;
  archive* reader_;
  std::string path_;  ///< of the entry in hand
  std::optional<io::File> parent_;
  std::string parent_path_;
  std::map<std::string, std::int64_t> folder_times_;
};

std::string extract_entries(const fs::path& tar, const fs::path& folder, const ExtractOptions& options) {
  const Utf8Locale locale;
  Source source(tar, options.progress);
  const ArchiveReader reader(archive_read_new());
  (void)archive_read_support_format_tar(reader.get());  // only fails without memory, and then the next call says so
  (void)archive_read_support_filter_zstd(reader.get());
  const auto require_ok = [&](int result) {
    if (source.failure) std::rethrow_exception(source.failure);
    if (result == ARCHIVE_OK || result == ARCHIVE_EOF) return;
    const char* why = archive_error_string(reader.get());
    throw Error(ExitCode::bad_input, "{}: is no usable tar archive: {}", tar.native(), why == nullptr ? "unknown" : why);
  };
  require_ok(archive_read_open(reader.get(), &source, nullptr, &Source::read, nullptr));
  Extraction extraction(tar, folder, reader.get());
  archive_entry* entry = nullptr;
  for (;;) {
    check_interrupt();
    const int result = archive_read_next_header(reader.get(), &entry);
    require_ok(result);
    if (result == ARCHIVE_EOF) break;
    extraction.add(entry);
  }
  extraction.finish();
  return source.finish();
}

void check_digest(const fs::path& tar, const std::string& expected, const std::string& actual) {
  if (expected.empty() || expected == actual) return;
  throw Error(ExitCode::verification_failed, "{}: has SHA-256 {}, expected {}", tar.native(), actual, expected);
}

}  // namespace

std::string extract_tree(const fs::path& tar, const fs::path& folder, const ExtractOptions& options) {
  if (fs::exists(folder) && !fs::is_empty(folder)) {
    throw Error(ExitCode::bad_input, "cannot unpack into '{}': is not empty", folder.native());
  }
  io::make_directories(folder, 0755);
  try {
    std::string digest = extract_entries(tar, folder, options);
    check_digest(tar, options.expected_sha256, digest);
    return digest;
  } catch (...) {
    std::error_code ignored;  // the failure on its way says more
    fs::remove_all(folder, ignored);
    throw;
  }
}

}  // namespace imgbuild
