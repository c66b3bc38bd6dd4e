#include "base/import.h"

#include "base/disk_examination.h"
#include "base/disk_format.h"
#include "util/digest.h"
#include "util/disk_writer.h"
#include "util/error.h"
#include "util/gpt.h"
#include "util/io.h"
#include "util/root_folder.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::minutes kPackingTime{30};

/// What is made anew at every boot, or belongs to the file system rather than to the tree.
GuestfsTarOptions packing(ByteSize limit) {
  return {.excluded = {"./dev/*", "./proc/*", "./sys/*", "./run/*", "./tmp/*", "./lost+found",
                       "./boot/lost+found"},
          .limit = limit};
}

/// Boot code and boot partitions, at their places in a file that is otherwise a hole.
void download_boot_area(Guestfs& appliance, const DiskLayout& layout, const fs::path& to) {
  const io::File file = io::create_exclusive(to, 0600);
  io::write_all_at(file, appliance.read_device("/dev/sda", 0, kBootCodeSize), 0);
  for (const Partition& partition : layout.partitions) {
    if (partition.content != Partition::Content::boot_area) continue;
    appliance.download_range("/dev/sda", to, partition.first_sector * kSectorSize,
                             partition.sectors * kSectorSize);
  }
}

/// dpkg's name for the processor of the tree's programs, from the ELF header (e_machine, 2 bytes at 18).
std::string architecture_of(const fs::path& tree, const std::string& origin) {
  const std::string program = RootFolder(tree).read_file("/usr/bin/dpkg");
  if (program.starts_with("\x7f"
                          "ELF") &&
      program.size() > 20) {
    const unsigned machine = static_cast<unsigned char>(program[18]) | static_cast<unsigned char>(program[19])
                                                                           << 8U;
    if (machine == 62) return "amd64";
    if (machine == 183) return "arm64";
  }
  throw Error(ExitCode::bad_input, "{}: its dpkg is neither for amd64 nor for arm64", origin);
}

/// Raw may be said of any file: then what looks like another format's header is just bytes of the disk.
std::string chosen_format(const ImportOptions& options) {
  if (options.format == "raw") return options.format;
  const std::string found = find_disk_format(options.disk);
  if (options.format.empty() || options.format == found) return found;
  throw Error(ExitCode::bad_input, "'{}': is a {} disk, not '{}'", options.disk.native(), found,
              options.format);
}

struct Content {
  ExaminedDisk disk;
  fs::path tree;
  fs::path boot;
};

Content read_content(const ImportOptions& options, const std::string& format, const fs::path& work,
                     Status& status) {
  const std::string origin = fmt::format("'{}'", options.disk.native());
  Guestfs appliance({{.path = fs::absolute(options.disk), .format = format}},
                    {.work = work, .acceleration = options.acceleration}, status);
  appliance.set_deadline(options.examination_limit);
  Content content{.disk = examine_disk(appliance, origin), .tree = work / "tree", .boot = work / "boot.raw"};
  appliance.set_deadline(kPackingTime);
  download_boot_area(appliance, content.disk.layout, content.boot);
  appliance.pack("/", work / "tree.tar", packing(options.content_limit));
  return content;
}

}  // namespace

Base import_disk(const ImportOptions& options, CommandRunner& runner, Status& status) {
  const std::string format = chosen_format(options);
  (void)find_virtual_size(options.disk, format, runner);

  status.begin("reading the disk");
  const io::TemporaryDirectory work(options.work, "import");
  const Content content = read_content(options, format, work.path(), status);
  status.begin("unpacking the tree");
  (void)extract_tree(work.path() / "tree.tar", content.tree);
  io::remove_file(work.path() / "tree.tar");

  status.begin("saving the base");
  Base base{.name = options.name,
            .layout = content.disk.layout,
            .distribution = content.disk.release.id,
            .release = content.disk.release.version_id,
            .architecture = architecture_of(content.tree, fmt::format("'{}'", options.disk.native())),
            .made = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
            .origin = options.origin};
  base.origin.emplace("kind", "import");
  if (!base.origin.contains("sha256")) base.origin.emplace("sha256", sha256_file(options.disk));
  base.origin.emplace("source", options.disk.filename().native());
  base = save_base(options.bases, {.base = base, .tree = content.tree, .disk = content.boot});
  status.end(base.digest.substr(0, 16));
  return base;
}

}  // namespace imgbuild
