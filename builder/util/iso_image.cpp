#include "util/iso_image.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string_view>

#include "util/archive_handle.h"
#include "util/error.h"
#include "util/io.h"
#include "util/iso_records.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxFiles = 64;
constexpr std::size_t kMaxName = 64;  // Joliet's limit
/// The publisher's version of libarchive would else be in the image.
constexpr const char* kOptions = "application-id=IMGBUILD,!pad";

void require(archive* handle, int result, std::string_view what) {
  if (result == ARCHIVE_OK) return;
  const char* reason = archive_error_string(handle);
  throw Error(ExitCode::step_failed, "cannot {}: {}", what, reason ? reason : "libarchive gives no reason");
}

la_ssize_t append(archive*, void* image, const void* bytes, std::size_t size) {
  static_cast<std::string*>(image)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

void check_names(const IsoContent& content) {
  std::set<std::string> names;
  for (const IsoFile& file : content.files) {
    const bool fits = !file.name.empty() && file.name.size() <= kMaxName && file.name.front() != '.' &&
                      file.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == std::string::npos;
    if (!fits) throw Error(ExitCode::bad_input, "'{}' cannot be a file name in an ISO 9660 image", file.name);
    if (!names.insert(file.name).second) {
      throw Error(ExitCode::bad_input, "file '{}' would be in the ISO 9660 image twice", file.name);
    }
  }
}

void add_blank_file(archive* writer, const IsoFile& file) {
  const ArchiveEntry entry(archive_entry_new());
  if (!entry) throw Error(ExitCode::host_unfit, "no memory for an ISO 9660 image");
  archive_entry_set_pathname(entry.get(), file.name.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0400);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.content.reveal().size()));
  archive_entry_set_mtime(entry.get(), 0, 0);
  require(writer, archive_write_header(writer, entry.get()), "lay out an ISO 9660 image");
  const std::string blank(file.content.reveal().size(), '\0');
  const la_ssize_t put = archive_write_data(writer, blank.data(), blank.size());
  require(writer, put == static_cast<la_ssize_t>(blank.size()) ? ARCHIVE_OK : ARCHIVE_FATAL, "lay out an ISO 9660 image");
}

std::string blank_image(const IsoContent& content) {
  std::string image;
  const ArchiveWriter writer(archive_write_new());
  if (!writer) throw Error(ExitCode::host_unfit, "no memory for an ISO 9660 image");
  require(writer.get(), archive_write_set_format_iso9660(writer.get()), "make an ISO 9660 image");
  require(writer.get(), archive_write_set_bytes_per_block(writer.get(), 0), "make an ISO 9660 image");
  require(writer.get(), archive_write_set_format_option(writer.get(), "iso9660", "volume-id", content.volume_id.c_str()),
          "set the volume id of an ISO 9660 image");
  require(writer.get(), archive_write_set_options(writer.get(), kOptions), "make an ISO 9660 image");
  require(writer.get(), archive_write_open2(writer.get(), &image, nullptr, &append, nullptr, nullptr),
          "make an ISO 9660 image");
  for (const IsoFile& file : content.files) add_blank_file(writer.get(), file);
  require(writer.get(), archive_write_close(writer.get()), "write an ISO 9660 image");
  return image;
}

void fill_in(std::string& image, const std::vector<IsoFile>& files) {
  std::map<std::string, const std::string*> contents;
  for (const IsoFile& file : files) contents.emplace(file.name, &file.content.reveal());
  iso::visit_contents(image, [&](const std::string& name, char* bytes, std::size_t size) {
    const auto found = contents.find(name);
    if (found == contents.end() || found->second->size() != size) {
      throw Error(ExitCode::step_failed, "libarchive laid out file '{}' in another way than asked", name);
    }
    std::memcpy(bytes, found->second->data(), size);
    contents.erase(found);
  });
  if (!contents.empty()) {
    throw Error(ExitCode::step_failed, "libarchive left file '{}' out of the ISO 9660 image", contents.begin()->first);
  }
}

IsoFile read_entry(archive* reader, archive_entry* entry, std::size_t limit, const fs::path& path) {
  const char* name = archive_entry_pathname(entry);
  const bool plain = name != nullptr && archive_entry_filetype(entry) == AE_IFREG &&
                     archive_entry_hardlink(entry) == nullptr && std::strchr(name, '/') == nullptr;
  if (!plain) {
    throw Error(ExitCode::bad_input, "{}: holds '{}', which is no file of its root folder", path.native(),
                name ? name : "?");
  }
  std::string content;
  content.resize(std::min(limit, static_cast<std::size_t>(archive_entry_size(entry))));
  const la_ssize_t got = archive_read_data(reader, content.data(), content.size());
  if (got < 0 || archive_entry_size(entry) != got) {
    cleanse(content);
    throw Error(ExitCode::bad_input, "{}: file '{}' is not whole", path.native(), name);
  }
  return {.name = name, .content = Secret(std::move(content))};
}

std::vector<IsoFile> read_files(const std::string& image, const fs::path& path) {
  const ArchiveReader reader(archive_read_new());
  if (!reader) throw Error(ExitCode::host_unfit, "no memory for an ISO 9660 image");
  require(reader.get(), archive_read_support_format_iso9660(reader.get()), "read an ISO 9660 image");
  if (archive_read_open_memory(reader.get(), image.data(), image.size()) != ARCHIVE_OK) {
    throw Error(ExitCode::bad_input, "{}: is no ISO 9660 image", path.native());
  }
  std::vector<IsoFile> files;
  std::size_t limit = image.size();  // contents that overlap could be longer than the image
  archive_entry* entry = nullptr;
  for (;;) {
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK) throw Error(ExitCode::bad_input, "{}: the ISO 9660 image is damaged", path.native());
    const char* name = archive_entry_pathname(entry);
    if (name != nullptr && std::string_view(name) == "." && archive_entry_filetype(entry) == AE_IFDIR) continue;
    files.push_back(read_entry(reader.get(), entry, limit, path));
    limit -= files.back().content.reveal().size();
    if (files.size() > kMaxFiles) throw Error(ExitCode::bad_input, "{}: holds more than {} files", path.native(), kMaxFiles);
  }
  return files;
}

void sort_by_name(std::vector<IsoFile>& files) {
  std::sort(files.begin(), files.end(), [](const IsoFile& a, const IsoFile& b) { return a.name < b.name; });
}

}  // namespace

Secret make_iso_image(const IsoContent& content) {
  check_names(content);
  IsoContent sorted = content;
  sort_by_name(sorted.files);
  std::string image = blank_image(sorted);
  iso::fix_times(image);
  fill_in(image, sorted.files);
  return Secret(std::move(image));
}

IsoContent read_iso_image(const fs::path& path, ByteSize limit) {
  const Secret image(io::read_file(path, limit));
  IsoContent content{.volume_id = iso::volume_id(image.reveal())};
  if (content.volume_id.empty() && image.reveal().find("CD001") == std::string::npos) {
    throw Error(ExitCode::bad_input, "{}: is no ISO 9660 image", path.native());
  }
  content.files = read_files(image.reveal(), path);
  sort_by_name(content.files);
  return content;
}

}  // namespace imgbuild
