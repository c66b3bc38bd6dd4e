#include "util/debian_package.h"

#include <optional>

#include "util/archive_handle.h"
#include "util/error.h"
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

}  // namespace

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
