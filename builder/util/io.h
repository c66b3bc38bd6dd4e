#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "util/size.h"

/// Every write, fsync, rename, removal and opening for writing of imgbuild goes through here, so that tests can fail or
/// kill the n-th one (see fault_point) and so that no result goes unchecked. All throw Error with the path.
namespace imgbuild::io {

/// An open file descriptor, closed on destruction (close errors after fsync carry no news and are ignored).
class File {
 public:
  File(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  int fd_;
  std::filesystem::path path_;
};

[[nodiscard]] File open_for_reading(const std::filesystem::path& path);
/// Creates 'path', which must not exist (nor be a link), with exactly 'mode' whatever the umask.
[[nodiscard]] File create_exclusive(const std::filesystem::path& path, mode_t mode);
/// Opens an existing regular file for reading and writing; follows no link.
[[nodiscard]] File open_for_update(const std::filesystem::path& path);

/// Bytes read, 0 at the end. Retries EINTR unless interrupted (then throws Interrupted).
[[nodiscard]] std::size_t read(const File& file, char* buffer, std::size_t size);
void write_all(const File& file, std::string_view bytes);
void write_all_at(const File& file, std::string_view bytes, std::uint64_t offset);
/// Sets the length; growing makes a hole.
void set_length(const File& file, ByteSize length);
void sync(const File& file);
void sync_directory(const std::filesystem::path& directory);

void rename(const std::filesystem::path& from, const std::filesystem::path& to);
/// A second name for the file 'from', or a copy (0644) where that is not possible (another file system, one without
/// links). 'to' must not exist.
void link_or_copy(const std::filesystem::path& from, const std::filesystem::path& to);
void remove_file(const std::filesystem::path& path);
/// Removes a tree that may hold anything, links not followed. Absent is fine.
void remove_tree(const std::filesystem::path& path);
/// Makes a folder and its parents; the folders made get 'mode'. An existing one is left as it is.
void make_directories(const std::filesystem::path& path, mode_t mode);

/// Whole content. Throws Error (bad input) when it is longer than 'limit' or can't be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, ByteSize limit = ByteSize{64ULL << 20});

/// Appears under its name complete, or not at all: written as a temporary in the same folder, synced, renamed.
class AtomicFile {
 public:
  AtomicFile(std::filesystem::path path, mode_t mode);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Where to write before commit(); other programs may write here too.
  [[nodiscard]] const std::filesystem::path& temporary() const { return temporary_; }
  [[nodiscard]] const File& file() const { return *file_; }
  void write(std::string_view bytes) { write_all(*file_, bytes); }
  /// Syncs, renames and syncs the folder. Without it the destructor removes the temporary.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::optional<File> file_;
};

void write_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode);

/// A new folder with mode 0700 below 'parent' (made if absent), removed with all its content on destruction. The name
/// carries the owner's process id; sweep_temporaries removes those whose owner is gone.
class TemporaryDirectory {
 public:
  TemporaryDirectory(const std::filesystem::path& parent, std::string_view purpose);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::optional<File> lock_;
};

/// Removes temporary folders below 'parent' whose maker no longer holds their lock. Returns how many.
std::size_t sweep_temporaries(const std::filesystem::path& parent);

/// A lock held by an open descriptor: it ends with the process, however that dies.
class FileLock {
 public:
  enum class Sharing {
    alone,
    together,  ///< with others that hold it together
  };
  /// Waits for the lock; calls 'on_wait' once if another holds it. Throws Interrupted, and what 'on_wait' throws.
  FileLock(const std::filesystem::path& path, const std::function<void()>& on_wait, Sharing sharing = Sharing::alone);

 private:
  File file_;
};

/// Free bytes for us on the file system of 'path' or its nearest existing parent.
[[nodiscard]] ByteSize free_space(const std::filesystem::path& path);

/// Counts one call of the operation named and, when the test asked for it, fails or kills there. The request comes in
/// the environment variable IMGBUILD_IO_FAULT as "N:enospc", "N:eio" or "N:kill" (N counts from 1), or "count:FILE" to
/// have the number of calls written to FILE at exit. Returns an errno to report, or 0.
[[nodiscard]] int fault_point();

}  // namespace imgbuild::io
