#include "inspect/image_file.h"

#include <string_view>

#include "base/disk_format.h"
#include "util/archive_handle.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/read_at.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBlock = 1 << 20;

enum class Wrapping { none, compressed_disk, archive };

/// By the first bytes: gzip, zstd; "ustar" at 257 is tar's. What zstd holds shows only when it is opened.
Wrapping wrapping_of(const fs::path& image) {
  if (!fs::is_regular_file(image)) throw Error(ExitCode::bad_input, "'{}': is no file", image.native());
  const std::string head = io::read_at(io::open_for_reading(image), 512, 0);
  if (head.starts_with("\x28\xB5\x2F\xFD")) return Wrapping::compressed_disk;
  const bool is_tar = head.size() == 512 && head.compare(257, 5, "ustar") == 0;
  return is_tar || head.starts_with("\x1F\x8B") ? Wrapping::archive : Wrapping::none;
}

class Unwrapping {
 public:
  Unwrapping(const fs::path& image, Wrapping wrapping) : image_(image), reader_(archive_read_new()) {
    (void)archive_read_support_filter_gzip(reader_.get());  // fail only without memory, and then opening says so
    (void)archive_read_support_filter_zstd(reader_.get());
    (void)(wrapping == Wrapping::archive ? archive_read_support_format_tar(reader_.get()) : archive_read_support_format_raw(reader_.get()));
    require_ok(archive_read_open_filename(reader_.get(), image.c_str(), kBlock));
  }

  /// Name of the next member, nothing at the end.
  std::optional<std::string> next() {
    check_interrupt();
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) return std::nullopt;
    require_ok(result);
    const char* name = archive_entry_pathname(entry);
    return name == nullptr ? "" : name;
  }

  /// The member at hand, with holes for zeros.
  void copy_to(const fs::path& to) {
    const io::File file = io::create_exclusive(to, 0600);
    std::string buffer(kBlock, '\0');
    std::uint64_t length = 0;
    for (;;) {
      check_interrupt();
      const la_ssize_t size = archive_read_data(reader_.get(), buffer.data(), buffer.size());
      if (size < 0) require_ok(ARCHIVE_FATAL);
      if (size == 0) break;
      const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
      if (bytes.find_first_not_of('\0') != std::string_view::npos) io::write_all_at(file, bytes, length);
      length += bytes.size();
      if (length > kMaxDisk.bytes) throw Error(ExitCode::bad_input, "'{}': holds more than {}", image_.native(), format_byte_size(kMaxDisk));
    }
    io::set_length(file, {length});
  }

 private:
  void require_ok(int result) const {
    if (result == ARCHIVE_OK || result == ARCHIVE_WARN) return;
    const char* why = archive_error_string(reader_.get());
    throw Error(ExitCode::bad_input, "'{}': can't be unpacked: {}", image_.native(), why == nullptr ? "unknown" : why);
  }

  const fs::path& image_;
  ArchiveReader reader_;
};

}  // namespace

ImageFile::ImageFile(const fs::path& image, const fs::path& work) : path_(image) {
  const Wrapping wrapping = wrapping_of(image);
  if (wrapping == Wrapping::none) return;
  Unwrapping unwrapping(image, wrapping);
  while (const std::optional<std::string> name = unwrapping.next()) {
    if (wrapping == Wrapping::archive && *name == "./") {
      kind_ = Kind::tree;
      return;
    }
    // An OVA's disk, and those of boxes for VirtualBox and libvirt.
    if (wrapping == Wrapping::archive && !name->ends_with(".vmdk") && *name != "box.img") continue;
    unwrapped_.emplace(work, "image");
    path_ = unwrapped_->path() / "disk";
    unwrapping.copy_to(path_);
    return;
  }
  throw Error(ExitCode::bad_input, "'{}': is an archive without a disk or a tree", image.native());
}

}  // namespace imgbuild
