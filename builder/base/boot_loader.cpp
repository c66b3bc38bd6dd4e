#include "base/boot_loader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "util/digest.h"
#include "util/disk_writer.h"
#include "util/error.h"
#include "util/grub.h"
#include "util/io.h"
#include "util/root_folder.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr ByteSize kDiskSize = 2_GiB;

/// As mke2fs made them in 2022: what GRUB 2.06 and every kernel since reads.
const std::vector<std::string>& ext4_features() {
  static const std::vector<std::string> features = {
      "64bit",   "dir_index",   "dir_nlink", "ext_attr",   "extent",        "extra_isize",  "filetype",
      "flex_bg", "has_journal", "huge_file", "large_file", "metadata_csum", "resize_inode", "sparse_super"};
  return features;
}

/// A UUID of the form of version 4, made from a name.
std::string derived_uuid(const std::string& name) {
  std::string hex = sha256("imgbuild id " + name);
  hex[12] = '4';
  hex[16] = '8';
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20, 12));
}

std::string derived_guid(const std::string& name) {
  std::string uuid = derived_uuid(name);
  std::transform(uuid.begin(), uuid.end(), uuid.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return uuid;
}

const Partition& esp_of(const DiskLayout& layout) {
  const auto found = std::find_if(layout.partitions.begin(), layout.partitions.end(),
                                  [](const Partition& partition) { return partition.type == kEspType; });
  if (found == layout.partitions.end())
    throw Error(ExitCode::bad_input, "disk layout: has no EFI system partition");
  return *found;
}

/// Formats the ESP; its volume id comes from the partition's.
void make_esp(CommandRunner& runner, const fs::path& raw, const Partition& esp) {
  (void)run_checked(runner, {.program = "mkfs.fat",
                             .arguments = {"--invariant", "-F", "32", "-s", "1", "-n", "UEFI", "-i",
                                           esp.uuid.substr(0, 8), "-h", std::to_string(esp.first_sector),
                                           fmt::format("--offset={}", esp.first_sector), raw.native(),
                                           std::to_string(esp.sectors / 2)}});
}

/// Fills a new ESP from a folder. A kernel's own vfat writes the current time into it; mtools take the one we
/// say.
void fill_esp(CommandRunner& runner, const BootLoaderRequest& request, const fs::path& content) {
  const Partition& esp = esp_of(request.layout);
  make_esp(runner, request.raw, esp);
  pin_times(content, request.newest);
  const std::string image = fmt::format("{}@@{}", request.raw.native(), esp.first_sector * kSectorSize);
  const std::vector<std::string> environment = {
      fmt::format("SOURCE_DATE_EPOCH={}", request.newest.time_since_epoch().count()), "MTOOLSRC=/dev/null"};
  const RootFolder folder(content);
  for (const TreeEntry& entry : list_tree(folder)) {
    if (entry.path.empty()) continue;
    Command command{
        .program = "mmd", .arguments = {"-i", image, "::/" + entry.path}, .environment = environment};
    if (!S_ISDIR(entry.status.st_mode)) {
      command.program = "mcopy";
      command.arguments = {"-m", "-i", image, (content / entry.path).native(), "::/" + entry.path};
    }
    (void)run_checked(runner, command);
  }
}

/// The disk as the kernel of the appliance names it: not always /dev/sda, for it finds disks in any order.
std::string kernel_disk(Guestfs& appliance, const DiskLayout& layout) {
  std::string uuid = find_mounted(layout, "/")->uuid;
  std::transform(uuid.begin(), uuid.end(), uuid.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string device = appliance.run({"readlink", "-f", "/dev/disk/by-partuuid/" + uuid});
  device.erase(device.find_last_not_of("0123456789\n") + 1);
  return device;
}

/// In the appliance: GRUB for both firmwares, and its configuration as later builds will make it.
void install_grub(Guestfs& appliance, const BootLoaderRequest& request) {
  appliance.mount(fmt::format("/dev/sda{}", find_mounted(request.layout, "/")->number), "/");
  appliance.make_folder("/boot/efi");
  appliance.mount(fmt::format("/dev/sda{}", esp_of(request.layout).number), "/boot/efi");
  const std::string disk = kernel_disk(appliance, request.layout);
  // GRUB keeps hints such as hd0: they must not depend on the order of the disks either.
  appliance.make_folder("/boot/grub");
  appliance.write_file("/boot/grub/device.map", fmt::format("(hd0) {}\n", disk), 0644);
  appliance.run({"grub-install", "--target=i386-pc", "--locales=", disk});
  appliance.run({"grub-install", "--target=x86_64-efi", "--efi-directory=/boot/efi", "--removable",
                 "--no-nvram", "--no-uefi-secure-boot", "--locales="});
  appliance.remove("/boot/grub/device.map");
  for (const StandIn& stand_in : grub_stand_ins(request.layout)) {
    appliance.write_file(stand_in.path, stand_in.content, 0755);
  }
  appliance.run({"grub-mkconfig", "-o", "/boot/grub/grub.cfg"});
}

void make_disk(const BootLoaderRequest& request, CommandRunner& runner) {
  io::set_length(io::create_exclusive(request.raw, 0600), kDiskSize);
  write_partition_table(request.raw, request.layout);
  make_esp(runner, request.raw, esp_of(request.layout));
  for (const Partition& partition : request.layout.partitions) {
    if (partition.content != Partition::Content::ext4) continue;
    make_ext4(runner, request.raw, request.layout, partition,
              {.root = request.tree, .newest = request.newest});
  }
}

}  // namespace

DiskLayout cloud_layout(const std::string& name) {
  const auto uuid = [&](const char* part) { return derived_guid(name + " " + part); };
  const DiskLayout layout = {
      .disk_guid = uuid("disk"),
      .partitions = {
          {.number = 14, .type = kBiosBootType, .uuid = uuid("bios"), .first_sector = 2048, .sectors = 8192},
          {.number = 15, .type = kEspType, .uuid = uuid("esp"), .first_sector = 10240, .sectors = 217088},
          {.number = 1,
           .type = kLinuxType,
           .uuid = uuid("root"),
           .first_sector = 227328,
           .sectors = 0,
           .content = Partition::Content::ext4,
           .mount_point = "/",
           .ext4 = {.uuid = derived_uuid(name + " file system"),
                    .label = "cloudimg-rootfs",
                    .features = ext4_features()}}}};
  return fit_to_disk(layout, kDiskSize);
}

void install_boot_loader(const BootLoaderRequest& request, CommandRunner& runner, Status& status) {
  status.begin("installing the boot loader");
  make_disk(request, runner);
  const fs::path grub_tar = request.work / "grub.tar";
  const fs::path esp_tar = request.work / "esp.tar";
  {
    Guestfs appliance({{.path = request.raw, .format = "raw", .access = GuestfsDrive::Access::read_write}},
                      {.work = request.work, .acceleration = request.acceleration}, status);
    install_grub(appliance, request);
    appliance.pack("/boot/grub", grub_tar, {});
    appliance.pack("/boot/efi", esp_tar, {});
    appliance.close();
  }
  (void)extract_tree(esp_tar, request.work / "esp");
  fill_esp(runner, request, request.work / "esp");
  io::remove_tree(request.tree / "boot/grub");
  (void)extract_tree(grub_tar, request.work / "grub");
  io::rename(request.work / "grub", request.tree / "boot/grub");
  io::make_directories(request.tree / "boot/efi", 0700);
  pin_times(request.tree, request.newest);
  status.end("GRUB for BIOS and UEFI");
}

void pin_times(const fs::path& tree, std::chrono::sys_seconds newest) {
  const RootFolder root(tree);
  const timespec limit{newest.time_since_epoch().count(), 0};
  const timespec times[2] = {limit, limit};
  for (const TreeEntry& entry : list_tree(root)) {
    if (entry.status.st_mtim.tv_sec <= limit.tv_sec) continue;
    const std::string path = entry.path.empty() ? "." : entry.path;
    if (::utimensat(root.fd(), path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error(errno, fmt::format("cannot set the time of '{}'", (tree / entry.path).native()));
    }
  }
}

}  // namespace imgbuild
