#include "util/tree_archive.h"

#include <cerrno>
#include <exception>
#include <map>
#include <utility>
#include <vector>

#include "util/archive_handle.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"
#include "util/root_folder.h"
#include "util/tree_policy.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBlock = 1 << 20;

/// Where the archive's bytes go, digested.
struct Sink {
  io::AtomicFile file;
  Sha256 digest = {};
  std::exception_ptr failure = {};

  /// For libarchive, which exceptions must not pass.
  static la_ssize_t write(archive* handle, void* self, const void* buffer, std::size_t size) noexcept {
    auto& sink = *static_cast<Sink*>(self);
    try {
      const std::string_view bytes(static_cast<const char*>(buffer), size);
      sink.digest.update(bytes);
      sink.file.write(bytes);
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      sink.failure = std::current_exception();
      archive_set_error(handle, EIO, "write error");
      return ARCHIVE_FATAL;
    }
  }
};

class Archiving {
 public:
  Archiving(const RootFolder& root, Sink& sink) : root_(root), sink_(sink), writer_(archive_write_new()), buffer_(kBlock) {
    require_ok(archive_write_set_format_pax_restricted(writer_.get()));
    require_ok(archive_write_set_options(writer_.get(), "hdrcharset=BINARY"));
    require_ok(archive_write_set_bytes_per_block(writer_.get(), kBlock));
    require_ok(archive_write_set_bytes_in_last_block(writer_.get(), 10240));
    require_ok(archive_write_open(writer_.get(), &sink_, nullptr, &Sink::write, nullptr));
  }

  void add(const TreeEntry& found) {
    const struct stat& status = found.status;
    if (is_special(status.st_mode)) {
      if (may_be_left_out(found.path)) return;
      throw Error(ExitCode::step_failed, "{}: is a device, FIFO or socket, which an image does not get",
                  (root_.path() / found.path).native());
    }
    const ArchiveEntry entry(archive_entry_new());
    const std::string name = (found.path.empty() ? "." : "./" + found.path) + (S_ISDIR(status.st_mode) ? "/" : "");
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_mode(entry.get(), status.st_mode);
    archive_entry_set_uid(entry.get(), status.st_uid);
    archive_entry_set_gid(entry.get(), status.st_gid);
    archive_entry_set_mtime(entry.get(), status.st_mtim.tv_sec, 0);
    add_content(entry.get(), found, name);
  }

  void finish() { require_ok(archive_write_close(writer_.get())); }

 private:
  void require_ok(int result) const {
    if (sink_.failure) std::rethrow_exception(sink_.failure);
    if (result == ARCHIVE_OK) return;
    const char* why = archive_error_string(writer_.get());
    throw Error(ExitCode::step_failed, "cannot archive '{}': {}", root_.path().native(), why == nullptr ? "unknown" : why);
  }

  void add_content(archive_entry* entry, const TreeEntry& found, const std::string& name) {
    const struct stat& status = found.status;
    if (S_ISLNK(status.st_mode)) {
      archive_entry_set_symlink(entry, root_.read_link(found.path).c_str());
      return require_ok(archive_write_header(writer_.get(), entry));
    }
    if (S_ISREG(status.st_mode) && status.st_nlink > 1) {
      const auto [first, is_first] = first_names_.try_emplace({status.st_dev, status.st_ino}, name);
      if (!is_first) {
        archive_entry_set_hardlink(entry, first->second.c_str());
        return require_ok(archive_write_header(writer_.get(), entry));
      }
    }
    const io::File file = root_.open_file(found.path);
    for (const Attribute& attribute : read_attributes(file)) {
      archive_entry_xattr_add_entry(entry, attribute.name.c_str(), attribute.value.data(), attribute.value.size());
    }
    if (S_ISREG(status.st_mode)) archive_entry_set_size(entry, status.st_size);
    require_ok(archive_write_header(writer_.get(), entry));
    if (S_ISREG(status.st_mode)) add_bytes(file, static_cast<std::uint64_t>(status.st_size));
  }

  void add_bytes(const io::File& file, std::uint64_t left) {
    while (const std::size_t size = io::read(file, buffer_.data(), buffer_.size())) {
      if (size > left) break;
      left -= size;
      if (archive_write_data(writer_.get(), buffer_.data(), size) != static_cast<la_ssize_t>(size)) {
        require_ok(ARCHIVE_FATAL);
      }
    }
    if (left != 0) throw Error(ExitCode::step_failed, "{}: changed while it was archived", file.path().native());
  }

  const RootFolder& root_;
  Sink& sink_;
  ArchiveWriter writer_;
  std::vector<char> buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;
};

}  // namespace

std::string archive_tree(const fs::path& folder, const fs::path& tar, const BytesProgress& progress) {
  const Utf8Locale locale;
  const RootFolder root(folder);
  const std::vector<TreeEntry> entries = list_tree(root);
  std::uint64_t total = 0;
  for (const TreeEntry& entry : entries) total += static_cast<std::uint64_t>(entry.status.st_size);
  Sink sink{{tar, 0644}};
  Archiving archiving(root, sink);
  std::uint64_t done = 0;
  for (const TreeEntry& entry : entries) {
    check_interrupt();
    archiving.add(entry);
    done += static_cast<std::uint64_t>(entry.status.st_size);
    if (progress) progress(done, total);
  }
  archiving.finish();
  sink.file.commit();
  return sink.digest.hex();
}

}  // namespace imgbuild
