#include "tree/archive_listing.h"

#include <algorithm>
#include <map>

#include "util/archive_handle.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/tree_policy.h"

namespace imgbuild {
namespace {

constexpr std::size_t kBlock = 1 << 20;
constexpr std::size_t kMostWanted = 4 << 20;

/// "./etc/hosts" and "etc/hosts/" → "/etc/hosts"; "./" → "/".
std::string absolute_path(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path == "." ? "/" : "/" + std::string(path);
}

class Listing {
 public:
  Listing(const std::filesystem::path& tar, const WantedContent& wanted) : tar_(tar), wanted_(wanted), reader_(archive_read_new()) {
    (void)archive_read_support_format_tar(reader_.get());  // only fails without memory, and then the next call says so
    (void)archive_read_support_filter_zstd(reader_.get());
    (void)archive_read_set_options(reader_.get(), "hdrcharset=BINARY");  // names are bytes
    require_ok(archive_read_open_filename(reader_.get(), tar.c_str(), kBlock));
  }

  std::vector<TreeRecord> read() {
    archive_entry* entry = nullptr;
    for (;;) {
      check_interrupt();
      const int result = archive_read_next_header(reader_.get(), &entry);
      if (result == ARCHIVE_EOF) break;
      require_ok(result);
      add(entry);
    }
    std::vector<TreeRecord> records;
    for (auto& [path, record] : records_) records.push_back(std::move(record));
    return records;
  }

 private:
  void require_ok(int result) const {
    if (result == ARCHIVE_OK || result == ARCHIVE_WARN) return;
    const char* why = archive_error_string(reader_.get());
    throw Error(ExitCode::bad_input, "{}: is no usable tar archive: {}", tar_.native(), why == nullptr ? "unknown" : why);
  }

  void add(archive_entry* entry) {
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) throw Error(ExitCode::bad_input, "{}: an entry has no readable name", tar_.native());
    TreeRecord record{.path = absolute_path(name), .type = type_letter(archive_entry_mode(entry))};
    if (const char* target = archive_entry_hardlink(entry)) {
      const auto found = records_.find(absolute_path(target));
      if (found == records_.end()) throw Error(ExitCode::bad_input, "{}: '{}' is a hard link to nothing before it", tar_.native(), record.path);
      record = found->second;
      record.path = absolute_path(name);
    } else {
      fill(record, entry);
    }
    const std::string path = record.path;
    if (!records_.emplace(path, std::move(record)).second) throw Error(ExitCode::bad_input, "{}: '{}' is there twice", tar_.native(), path);
  }

  void fill(TreeRecord& record, archive_entry* entry) {
    record.mode = archive_entry_mode(entry) & 07777U;
    record.uid = static_cast<std::uint32_t>(archive_entry_uid(entry));
    record.gid = static_cast<std::uint32_t>(archive_entry_gid(entry));
    record.mtime = archive_entry_mtime(entry);
    record.attributes = attribute_text(attributes_of(entry));
    if (record.type == 'l') record.content = archive_entry_symlink(entry) == nullptr ? "" : archive_entry_symlink(entry);
    if (record.type == 'f') read_content(record);
  }

  static std::vector<Attribute> attributes_of(archive_entry* entry) {
    std::vector<Attribute> attributes;
    archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      if (is_tree_attribute(name)) attributes.push_back({name, std::string(static_cast<const char*>(value), size)});
    }
    std::ranges::sort(attributes);
    // libarchive writes each in two forms, and reads both.
    attributes.erase(std::unique(attributes.begin(), attributes.end()), attributes.end());
    return attributes;
  }

  void read_content(TreeRecord& record) {
    const bool is_wanted = wanted_.is_wanted && wanted_.is_wanted(record.path);
    std::string kept;
    Sha256 digest;
    static thread_local std::string buffer(kBlock, '\0');
    for (;;) {
      const la_ssize_t size = archive_read_data(reader_.get(), buffer.data(), buffer.size());  // holes come as zeros
      if (size < 0) require_ok(ARCHIVE_FATAL);
      if (size == 0) break;
      check_interrupt();
      const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
      digest.update(bytes);
      record.size += bytes.size();
      if (is_wanted) kept.append(bytes.substr(0, kMostWanted - kept.size()));
    }
    record.content = digest.hex();
    if (is_wanted) wanted_.take(record.path, kept);
  }

  const std::filesystem::path& tar_;
  const WantedContent& wanted_;
  ArchiveReader reader_;
  std::map<std::string, TreeRecord> records_;  ///< by path: archives are in another order than lists
};

}  // namespace

std::vector<TreeRecord> archive_listing(const std::filesystem::path& tar, const WantedContent& wanted) {
  const Utf8Locale locale;
  return Listing(tar, wanted).read();
}

}  // namespace imgbuild
