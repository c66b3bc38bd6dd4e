#include "util/debian_package.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <optional>

#include "util/archive_handle.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"
#include "util/size.h"

// A package file is an ar archive of "debian-binary", "control.tar.*" and "data.tar.*"; the second holds "./control".

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr ByteSize kLongest = 16_MiB;  // of control.tar.*, and of the control file

Error no_package(const fs::path& package, std::string_view why) {
  return Error(ExitCode::verification_failed, "{}: is no Debian package: {}", package.native(), why);
}

/// The content of the first member that 'wanted' accepts; the reader is open.
template <typename Wanted>
std::optional<std::string> read_member(archive* reader, const fs::path& package, Wanted wanted) {
  archive_entry* entry = nullptr;
  int result = archive_read_next_header(reader, &entry);
  for (; result == ARCHIVE_OK && !wanted(archive_entry_pathname(entry)); result = archive_read_next_header(reader, &entry)) {
  }
  if (result == ARCHIVE_EOF) return std::nullopt;
  if (result != ARCHIVE_OK) throw no_package(package, "it is cut off or damaged");
  std::string content;
  std::string buffer(1 << 16, '\0');
  for (;;) {
    const la_ssize_t size = archive_read_data(reader, buffer.data(), buffer.size());
    if (size < 0) throw no_package(package, "it is cut off or damaged");
    if (size == 0) return content;
    content.append(buffer, 0, static_cast<std::size_t>(size));
    if (content.size() > kLongest.bytes) throw no_package(package, "its control part is too long");
  }
}

std::string read_control_archive(const fs::path& package) {
  const ArchiveReader reader(archive_read_new());
  archive_read_support_format_ar(reader.get());
  (void)io::open_for_reading(package);  // says why it can't be read
  if (archive_read_open_filename(reader.get(), package.c_str(), 1 << 16) != ARCHIVE_OK) throw no_package(package, "it is cut off or damaged");
  const auto is_control = [](std::string_view name) { return name.starts_with("control.tar"); };
  std::optional<std::string> content = read_member(reader.get(), package, is_control);
  if (!content) throw no_package(package, "it has no control part");
  return *std::move(content);
}

constexpr std::size_t kBlock = 1 << 18;
constexpr std::string_view kMagic = "!<arch>\n";
constexpr std::size_t kHeaderSize = 60;

/// The header of a member of an ar archive: name, time, owner, group, mode, size, end.
std::string ar_header(std::string_view name, std::uint64_t size) {
  return fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", name, 0, 0, 0, 100644, size);
}

/// An ar archive being written, member by member; the length of a member may be known at its end only.
class ArWriter {
 public:
  explicit ArWriter(const fs::path& path) : file_(io::create_exclusive(path, 0644)) { put(kMagic); }

  void begin(const std::string& name) {
    name_ = name;
    header_at_ = size_;
    put(std::string(kHeaderSize, ' '));
  }
  void put(std::string_view bytes) {
    io::write_all_at(file_, bytes, size_);
    size_ += bytes.size();
  }
  void end() {
    io::write_all_at(file_, ar_header(name_, size_ - header_at_ - kHeaderSize), header_at_);
    if (size_ % 2 != 0) put("\n");  // members begin at even places
  }

 private:
  io::File file_;
  std::uint64_t size_ = 0;
  std::uint64_t header_at_ = 0;
  std::string name_;
};

/// Reads the member at hand piece by piece.
class MemberBytes {
 public:
  MemberBytes(archive* reader, const fs::path& package) : reader_(reader), package_(package) {}

  /// Empty at the end.
  std::string_view next() {
    check_interrupt();
    const la_ssize_t size = archive_read_data(reader_, buffer_.data(), buffer_.size());
    if (size < 0) throw no_package(package_, "it is cut off or damaged");
    return {buffer_.data(), static_cast<std::size_t>(size)};
  }

  /// For libarchive, which exceptions must not pass.
  static la_ssize_t read(archive* inner, void* self, const void** buffer) noexcept {
    auto* bytes = static_cast<MemberBytes*>(self);
    try {
      const std::string_view piece = bytes->next();
      *buffer = piece.data();
      return static_cast<la_ssize_t>(piece.size());
    } catch (...) {
      bytes->failure_ = std::current_exception();
      archive_set_error(inner, EIO, "read error");
      return ARCHIVE_FATAL;
    }
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  archive* reader_;
  const fs::path& package_;
  std::string buffer_ = std::string(kBlock, '\0');
  std::exception_ptr failure_;
};

/// Writes the member at hand as what it is without its compression.
void put_opened(archive* reader, const fs::path& package, ArWriter& writer) {
  MemberBytes packed(reader, package);
  const ArchiveReader inner(archive_read_new());
  archive_read_support_format_raw(inner.get());
  archive_read_support_filter_gzip(inner.get());
  archive_read_support_filter_bzip2(inner.get());
  archive_read_support_filter_xz(inner.get());
  archive_read_support_filter_zstd(inner.get());
  archive_entry* entry = nullptr;
  const bool is_open = archive_read_open(inner.get(), &packed, nullptr, &MemberBytes::read, nullptr) == ARCHIVE_OK &&
                       archive_read_next_header(inner.get(), &entry) == ARCHIVE_OK;
  packed.rethrow();
  if (!is_open) throw no_package(package, "it is cut off or damaged");
  MemberBytes plain(inner.get(), package);
  for (std::string_view piece = plain.next(); !piece.empty(); piece = plain.next()) writer.put(piece);
  packed.rethrow();
}

}  // namespace

void open_package(const fs::path& package, const fs::path& target) {
  const ArchiveReader reader(archive_read_new());
  archive_read_support_format_ar(reader.get());
  (void)io::open_for_reading(package);  // says why it can't be read
  if (archive_read_open_filename(reader.get(), package.c_str(), kBlock) != ARCHIVE_OK) throw no_package(package, "it is cut off or damaged");
  ArWriter writer(target);
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    const std::string name = archive_entry_pathname(entry);
    const bool is_data = name.starts_with("data.tar");
    writer.begin(is_data ? "data.tar" : name);
    if (is_data) {
      put_opened(reader.get(), package, writer);
    } else {
      MemberBytes bytes(reader.get(), package);
      for (std::string_view piece = bytes.next(); !piece.empty(); piece = bytes.next()) writer.put(piece);
    }
    writer.end();
    if (is_data) return;  // what may follow is not dpkg's
  }
  throw no_package(package, "it has no data part");
}

std::string read_package_control(const fs::path& package) {
  const std::string packed = read_control_archive(package);
  const ArchiveReader reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  if (archive_read_open_memory(reader.get(), packed.data(), packed.size()) != ARCHIVE_OK) {
    throw no_package(package, "it is cut off or damaged");
  }
  const auto is_control = [](std::string_view name) { return name == "./control" || name == "control"; };
  std::optional<std::string> control = read_member(reader.get(), package, is_control);
  if (!control) throw no_package(package, "it has no control file");
  control->erase(control->find_last_not_of('\n') + 1);
  if (control->empty() || control->find("\n\n") != std::string::npos) throw no_package(package, "its control file is not one paragraph");
  return *control + "\n";
}

std::string control_field(std::string_view control, std::string_view name) {
  while (!control.empty()) {
    const std::string_view line = control.substr(0, control.find('\n'));
    control.remove_prefix(std::min(line.size() + 1, control.size()));
    if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") continue;
    const std::string_view value = line.substr(name.size() + 1);
    const std::size_t first = value.find_first_not_of(" \t");
    if (first == std::string_view::npos) return "";
    return std::string(value.substr(first, value.find_last_not_of(" \t\r") - first + 1));
  }
  return "";
}

}  // namespace imgbuild
