#include "inspect/image_content.h"

#include "base/disk_examination.h"
#include "inspect/image_file.h"
#include "tree/archive_listing.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// Packs a folder and lists it; paths as in the image.
void list_folder(OpenDisk& disk, const std::string& folder, ImageContent& content) {
  const fs::path archive = disk.work() / "folder.tar";
  disk.appliance().pack(folder, archive, {});
  const std::string prefix = folder == "/" ? "" : folder;
  const auto whole = [&](const std::string& path) { return path == "/" && !prefix.empty() ? prefix : prefix + path; };
  const WantedContent wanted = {.is_wanted = [&](const std::string& path) { return whole(path).starts_with("/etc/") || whole(path) == kDpkgStatus; },
                                .take = [&](const std::string& path, const std::string& bytes) { content.texts[whole(path)] = bytes; }};
  content.files = archive_listing(archive, wanted);
  for (TreeRecord& record : content.files) record.path = whole(record.path);
  io::remove_file(archive);
}

}  // namespace

ImageContent read_image(const fs::path& disk, Depth depth, const DiskReading& reading, CommandRunner& runner, Status& status) {
  status.begin("reading the disk");
  const ImageFile image(disk, reading.work);
  if (image.kind() == ImageFile::Kind::tree) throw Error(ExitCode::bad_input, "'{}': is an archive of a tree, not a disk", disk.native());
  OpenDisk opened(image.path(), reading, runner, status);
  ImageContent content{.format = opened.format(), .size = opened.appliance().device_size("/dev/sda").bytes};
  ExaminedDisk examined = examine_disk(opened.appliance(), fmt::format("'{}'", disk.native()));
  content.layout = std::move(examined.layout);
  content.release = std::move(examined.release);
  list_folder(opened, depth == Depth::files ? "/" : "/etc", content);
  if (depth == Depth::settings) content.texts[kDpkgStatus] = opened.appliance().read_file(kDpkgStatus);
  status.end("");
  return content;
}

}  // namespace imgbuild
