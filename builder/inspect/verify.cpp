#include "inspect/verify.h"

#include <algorithm>

#include "build/documents.h"
#include "inspect/check_layout.h"
#include "inspect/image_file.h"
#include "tree/archive_listing.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// Mounts the file systems where the manifest has them, whatever the disk says. Returns what can't be mounted.
std::vector<Difference> mount_all(OpenDisk& disk, const Manifest& manifest) {
  std::vector<const Partition*> partitions;
  for (const Partition& partition : manifest.layout.partitions) {
    if (partition.content == Partition::Content::ext4) partitions.push_back(&partition);
  }
  std::ranges::sort(partitions, {}, [](const Partition* partition) { return partition->mount_point; });  // "/" first
  for (const Partition* partition : partitions) {
    try {
      disk.appliance().mount_read_only(fmt::format("/dev/sda{}", partition->number), partition->mount_point);
    } catch (const Error& error) {
      return {{fmt::format("file system of partition {}", partition->number), fmt::format("can't be mounted: {}", error.what())}};
    }
  }
  return {};
}

/// More than any machine of this image has a reason to hold would only fill our own disk.
ByteSize most_content(const std::vector<TreeRecord>& files) {
  std::uint64_t bytes = 0;
  for (const TreeRecord& file : files) bytes += file.size;
  return {4 * bytes + (16_GiB).bytes};
}

std::vector<TreeRecord> list_disk(OpenDisk& disk, ByteSize limit, Status& status) {
  status.begin("reading the files");
  const fs::path archive = disk.work() / "tree.tar";
  try {
    disk.appliance().pack("/", archive, {.excluded = {}, .limit = limit});
  } catch (Error& error) {  // damaged on the inside, or full of something
    throw Error(ExitCode::verification_failed, "{}", error.what()).set_hint("a file system that is damaged can't be compared: see what `e2fsck -n` says of it");
  }
  std::vector<TreeRecord> files = archive_listing(archive);
  io::remove_file(archive);
  status.end(fmt::format("{} files, folders and links", files.size()));
  return files;
}

void add(Verification& result, Comparison comparison) {
  result.differences.insert(result.differences.end(), comparison.differences.begin(), comparison.differences.end());
  result.excepted = std::move(comparison.excepted);
  result.compared = comparison.compared;
}

/// An archive has no boot area, no partitions and no lost+found.
Verification verify_tree(const fs::path& archive, const std::vector<TreeRecord>& expected, Booted booted) {
  Verification result;
  add(result, compare_files(expected, archive_listing(archive), booted));
  return result;
}

}  // namespace

GivenManifest read_manifest(const fs::path& path) {
  if (!fs::is_regular_file(path)) throw Error(ExitCode::bad_input, "'{}': there is no such manifest", path.native());
  return {.path = path, .manifest = parse_manifest(io::read_file(path), path.native())};
}

GivenManifest manifest_beside(const fs::path& image) {
  const fs::path folder = image.has_parent_path() ? image.parent_path() : ".";
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!entry.path().native().ends_with(".manifest.json")) continue;
    const std::optional<Manifest> manifest = find_manifest(entry.path());
    const auto names = [&](const ManifestArtifact& artifact) { return artifact.file == image.filename().native(); };
    if (manifest && std::ranges::any_of(manifest->artifacts, names)) found.push_back(entry.path());
  }
  if (found.size() == 1) return read_manifest(image.has_parent_path() ? found[0] : found[0].filename());
  throw Error(ExitCode::bad_input, "'{}': {} manifest beside it names it", image.native(), found.empty() ? "no" : "more than one")
      .set_hint("say which one it must match: --manifest FILE");
}

Verification verify_disk(const fs::path& disk, const GivenManifest& given, Booted booted, const DiskReading& reading, CommandRunner& runner, Status& status) {
  const std::vector<TreeRecord> expected = read_file_list(given.manifest, given.path.parent_path());
  status.begin("reading the disk");
  const ImageFile image(disk, reading.work);
  if (image.kind() == ImageFile::Kind::tree) return verify_tree(image.path(), expected, booted);
  OpenDisk opened(image.path(), reading, runner, status);
  Verification result{.differences = check_layout(opened, given.manifest), .excepted = {}, .compared = 0};
  status.end(opened.format());
  const std::vector<Difference> unmounted = mount_all(opened, given.manifest);
  result.differences.insert(result.differences.end(), unmounted.begin(), unmounted.end());
  if (!unmounted.empty()) return result;
  add(result, compare_files(expected, list_disk(opened, most_content(expected), status), booted));
  return result;
}

std::vector<Difference> verify_files(const GivenManifest& given) {
  std::vector<Difference> differences;
  for (const auto* files : {&given.manifest.artifacts, &given.manifest.documents}) {
    for (const ManifestArtifact& file : *files) {
      const fs::path path = given.path.parent_path() / file.file;
      if (is_intact(file, given.path.parent_path())) continue;
      differences.push_back({path.native(), fs::exists(path) ? fmt::format("must have SHA-256 {}", file.sha256) : "is missing"});
    }
  }
  return differences;
}

}  // namespace imgbuild
