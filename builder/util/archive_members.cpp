#include "util/archive_members.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <vector>

#include "util/archive_handle.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBlock = 1 << 18;
constexpr std::size_t kHole = 1 << 12;  ///< zeros in pieces of this size are not written

using Kind = ArchiveMember::Kind;

bool is_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte == '\0'; });
}

/// Writes 'bytes' at 'offset' of a new file, but the pieces that are zero already.
void write_sparse(const io::File& file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kHole - offset % kHole);
    if (!is_zero(piece)) io::write_all_at(file, piece, offset);
    offset += piece.size();
    bytes.remove_prefix(piece.size());
  }
}

}  // namespace

class MemberWriter::Implementation {
 public:
  Implementation(const fs::path& archive, mode_t mode) : path_(archive), file_(archive, mode), writer_(archive_write_new()) {
    require_ok(archive_write_set_format_pax_restricted(writer_.get()));
    require_ok(archive_write_set_options(writer_.get(), "hdrcharset=BINARY"));
    require_ok(archive_write_add_filter_zstd(writer_.get()));
    require_ok(archive_write_set_filter_option(writer_.get(), "zstd", "compression-level", "3"));
    require_ok(archive_write_set_bytes_per_block(writer_.get(), kBlock));
    require_ok(archive_write_set_bytes_in_last_block(writer_.get(), 1));
    require_ok(archive_write_open(writer_.get(), this, nullptr, &Implementation::write, nullptr));
  }

  void begin(const ArchiveMember& member) {
    const ArchiveEntry entry(archive_entry_new());
    const bool is_link = member.kind == Kind::link;
    const bool is_folder = member.kind == Kind::folder;
    archive_entry_set_pathname(entry.get(), (member.path + (is_folder ? "/" : "")).c_str());
    archive_entry_set_filetype(entry.get(), is_link ? AE_IFLNK : is_folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry.get(), is_link ? 0777 : is_folder || member.kind == Kind::program ? 0755 : 0644);
    archive_entry_set_mtime(entry.get(), 0, 0);
    archive_entry_set_size(entry.get(), is_link || is_folder ? 0 : static_cast<la_int64_t>(member.size));
    if (is_link) archive_entry_set_symlink(entry.get(), member.target.c_str());
    require_ok(archive_write_header(writer_.get(), entry.get()));
  }

  void put(std::string_view bytes) {
    check_interrupt();
    const la_ssize_t written = archive_write_data(writer_.get(), bytes.data(), bytes.size());
    if (written != static_cast<la_ssize_t>(bytes.size())) require_ok(ARCHIVE_FATAL);
  }

  std::string commit() {
    require_ok(archive_write_close(writer_.get()));
    file_.commit();
    return digest_.hex();
  }

 private:
  /// For libarchive, which exceptions must not pass.
  static la_ssize_t write(archive* handle, void* self, const void* buffer, std::size_t size) noexcept {
    auto& writer = *static_cast<Implementation*>(self);
    try {
      const std::string_view bytes(static_cast<const char*>(buffer), size);
      writer.digest_.update(bytes);
      writer.file_.write(bytes);
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      writer.failure_ = std::current_exception();
      archive_set_error(handle, EIO, "write error");
      return ARCHIVE_FATAL;
    }
  }

  void require_ok(int result) const {
    if (failure_) std::rethrow_exception(failure_);
    if (result == ARCHIVE_OK) return;
    const char* why = archive_error_string(writer_.get());
    throw Error(ExitCode::step_failed, "cannot write '{}': {}", path_.native(), why == nullptr ? "unknown reason" : why);
  }

  fs::path path_;
  io::AtomicFile file_;
  Sha256 digest_;
  std::exception_ptr failure_;
  ArchiveWriter writer_;  // last: it writes when it is freed
};

MemberWriter::MemberWriter(const fs::path& archive, std::uint32_t mode)
    : implementation_(std::make_unique<Implementation>(archive, mode)) {}
MemberWriter::~MemberWriter() = default;

void MemberWriter::add_text(const std::string& path, std::string_view text) {
  implementation_->begin({.path = path, .size = text.size()});
  implementation_->put(text);
}

std::string MemberWriter::add(const ArchiveMember& member, const fs::path& from) {
  implementation_->begin(member);
  if (member.kind == Kind::folder || member.kind == Kind::link) return sha256("");
  const io::File file = io::open_for_reading(from);
  Sha256 digest;
  std::string buffer(kBlock, '\0');
  std::uint64_t copied = 0;
  while (const std::size_t size = io::read(file, buffer.data(), buffer.size())) {
    copied += size;
    if (copied > member.size) break;
    digest.update({buffer.data(), size});
    implementation_->put({buffer.data(), size});
  }
  if (copied != member.size) throw Error(ExitCode::step_failed, "{}: changed while it was packed", from.native());
  return digest.hex();
}

std::string MemberWriter::commit() { return implementation_->commit(); }

class MemberReader::Implementation {
 public:
  explicit Implementation(const fs::path& archive) : path_(archive), reader_(archive_read_new()) {
    const io::File file = io::open_for_reading(archive);  // says why it can't be read
    archive_read_support_format_tar(reader_.get());
    archive_read_support_filter_zstd(reader_.get());
    if (archive_read_open_filename(reader_.get(), archive.c_str(), kBlock) != ARCHIVE_OK) throw damaged();
  }

  std::optional<ArchiveMember> next() {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) return std::nullopt;
    if (result != ARCHIVE_OK) throw damaged();
    const char* path = archive_entry_pathname(entry);
    if (path == nullptr) throw damaged();
    last_ = path;
    return describe(entry);
  }

  std::size_t read(std::string& buffer) {
    check_interrupt();
    const la_ssize_t size = archive_read_data(reader_.get(), buffer.data(), buffer.size());
    if (size < 0) throw damaged();
    return static_cast<std::size_t>(size);
  }

  [[nodiscard]] Error damaged() const {
    if (last_.empty()) return Error(ExitCode::verification_failed, "{}: is no bundle, or damaged at its beginning", path_.native());
    return Error(ExitCode::verification_failed, "{}: is cut off or damaged at or after member '{}'", path_.native(), last_);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] const std::string& last() const { return last_; }

 private:
  [[nodiscard]] ArchiveMember describe(archive_entry* entry) const {
    ArchiveMember member{.path = last_};
    const auto type = archive_entry_filetype(entry);
    if (type == AE_IFDIR) {
      member.kind = Kind::folder;
      if (member.path.ends_with('/')) member.path.pop_back();
      return member;
    }
    if (type == AE_IFLNK && archive_entry_symlink(entry) != nullptr) {
      member.kind = Kind::link;
      member.target = archive_entry_symlink(entry);
      return member;
    }
    if (type != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
      throw Error(ExitCode::verification_failed, "{}: member '{}' is no file, folder or link", path_.native(), last_);
    }
    if ((archive_entry_perm(entry) & 0100) != 0) member.kind = Kind::program;
    member.size = static_cast<std::uint64_t>(archive_entry_size(entry));
    return member;
  }

  fs::path path_;
  ArchiveReader reader_;
  std::string last_;  ///< path of the member at hand
};

MemberReader::MemberReader(const fs::path& archive) : implementation_(std::make_unique<Implementation>(archive)) {}
MemberReader::~MemberReader() = default;

std::optional<ArchiveMember> MemberReader::next() { return implementation_->next(); }

std::string MemberReader::read_text(ByteSize limit) {
  std::string text;
  std::string buffer(kBlock, '\0');
  while (const std::size_t size = implementation_->read(buffer)) {
    text.append(buffer, 0, size);
    if (text.size() > limit.bytes) {
      throw Error(ExitCode::verification_failed, "{}: member '{}' is longer than {}", implementation_->path().native(),
                  implementation_->last(), format_byte_size(limit));
    }
  }
  return text;
}

std::string MemberReader::copy_to(const fs::path& target, std::uint32_t mode) {
  const io::File file = io::create_exclusive(target, mode);
  Sha256 digest;
  std::string buffer(kBlock, '\0');
  std::uint64_t offset = 0;
  while (const std::size_t size = implementation_->read(buffer)) {
    digest.update({buffer.data(), size});
    write_sparse(file, {buffer.data(), size}, offset);
    offset += size;
  }
  io::set_length(file, {offset});
  io::sync(file);
  return digest.hex();
}

}  // namespace imgbuild
