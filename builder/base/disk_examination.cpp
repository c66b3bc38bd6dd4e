#include "base/disk_examination.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>
#include <sstream>

#include "base/boot_loader.h"
#include "util/error.h"
#include "util/gpt.h"

namespace imgbuild {
namespace {

/// Boot partitions are copied whole into the base.
constexpr ByteSize kMaxBootPartition = 1_GiB;

struct Unsupported {
  std::string_view type;  ///< as blkid says
  std::string_view name;
};
constexpr std::array<Unsupported, 9> kUnsupported = {{{"LVM2_member", "an LVM volume group"},
                                                      {"crypto_LUKS", "an encrypted volume (LUKS)"},
                                                      {"xfs", "an XFS file system"},
                                                      {"btrfs", "a btrfs file system"},
                                                      {"linux_raid_member", "a part of a RAID"},
                                                      {"zfs_member", "a part of a ZFS pool"},
                                                      {"ext2", "an ext2 file system"},
                                                      {"ext3", "an ext3 file system"},
                                                      {"swap", "swap space"}}};

Error unfit(const std::string& origin, const std::string& reason) {
  Error error(ExitCode::bad_input, "{}: {}", origin, reason);
  error.set_hint(
      "a base needs a GPT with an ext4 root file system in its last partition, as Debian's and Ubuntu's "
      "cloud images");
  return error;
}

std::string device_of(const Partition& partition) { return fmt::format("/dev/sda{}", partition.number); }

/// Ids go into scripts and commands later, so they must be what they claim to be.
Ext4Identity read_identity(Guestfs& appliance, const Partition& partition, const std::string& origin) {
  static const std::regex uuid_form("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  static const std::regex label_form("[A-Za-z0-9._ /-]{0,16}");
  std::map<std::string, std::string> parameters = appliance.ext4_parameters(device_of(partition));
  Ext4Identity identity{.uuid = parameters["Filesystem UUID"], .label = parameters["Filesystem volume name"]};
  if (identity.label == "<none>") identity.label.clear();
  if (!std::regex_match(identity.uuid, uuid_form)) {
    throw unfit(origin, fmt::format("the file system of partition {} has no usable UUID", partition.number));
  }
  if (!std::regex_match(identity.label, label_form)) {
    throw unfit(origin,
                fmt::format("the file system of partition {} has an unusual label", partition.number));
  }
  std::istringstream features(parameters["Filesystem features"]);
  for (std::string feature; features >> feature;) {
    // These two tell a state, not a format.
    if (feature != "needs_recovery" && feature != "orphan_present") identity.features.push_back(feature);
  }
  std::sort(identity.features.begin(), identity.features.end());
  identity.inode_size = parameters["Inode size"] == "128" ? 128 : 256;
  return identity;
}

void classify(Guestfs& appliance, Partition& partition, const std::string& origin) {
  if (partition.type == kBiosBootType || partition.type == kEspType) {
    if (partition.sectors * kSectorSize <= kMaxBootPartition.bytes) return;
    throw unfit(origin, fmt::format("boot partition {} is larger than {}", partition.number,
                                    format_byte_size(kMaxBootPartition)));
  }
  const std::string type = appliance.file_system_type(device_of(partition));
  if (type == "ext4") {
    partition.content = Partition::Content::ext4;
    partition.ext4 = read_identity(appliance, partition, origin);
    return;
  }
  const auto known = std::find_if(kUnsupported.begin(), kUnsupported.end(),
                                  [&](const Unsupported& row) { return row.type == type; });
  throw unfit(origin, fmt::format("partition {} holds {}, which is not supported", partition.number,
                                  known != kUnsupported.end() ? std::string(known->name)
                                  : type.empty()              ? "nothing known"
                                                              : "'" + type + "'"));
}

/// Mounts a file system of the disk; a failure means that it is damaged.
void mount_checked(Guestfs& appliance, const Partition& partition, const std::string& folder,
                   const std::string& origin) {
  try {
    appliance.mount_read_only(device_of(partition), folder);
  } catch (const Error& error) {
    Error damaged =
        unfit(origin, fmt::format("the file system of partition {} can't be mounted", partition.number));
    damaged.add_context(error.what());
    throw damaged;
  }
}

Partition& find_root(Guestfs& appliance, DiskLayout& layout, const std::string& origin) {
  Partition* root = nullptr;
  for (Partition& partition : layout.partitions) {
    if (partition.content != Partition::Content::ext4) continue;
    mount_checked(appliance, partition, "/", origin);
    const bool is_root = appliance.exists("/etc/os-release") && appliance.exists("/etc/fstab");
    appliance.unmount_all();
    if (!is_root) continue;
    if (root != nullptr)
      throw unfit(origin,
                  fmt::format("partitions {} and {} both hold a system", root->number, partition.number));
    root = &partition;
  }
  if (root == nullptr)
    throw unfit(origin, "no ext4 partition holds a system (/etc/os-release and /etc/fstab)");
  root->mount_point = "/";
  if (root != &layout.partitions.back()) {
    throw unfit(origin,
                fmt::format("its root file system (partition {}) is not the last partition", root->number));
  }
  return *root;
}

void place_other_file_systems(Guestfs& appliance, DiskLayout& layout, const std::string& origin) {
  const std::string fstab = appliance.read_file("/etc/fstab");
  for (Partition& partition : layout.partitions) {
    if (partition.content != Partition::Content::ext4 || partition.mount_point == "/") continue;
    const std::string mount_point = fstab_mount_point(fstab, partition);
    if (mount_point != "/boot") {
      throw unfit(
          origin,
          fmt::format("partition {} holds ext4 that is mounted on '{}', only '/' and '/boot' are supported",
                      partition.number, mount_point));
    }
    if (find_mounted(layout, "/boot") != nullptr)
      throw unfit(origin, "two partitions are mounted on '/boot'");
    partition.mount_point = mount_point;
    mount_checked(appliance, partition, mount_point, origin);
  }
}

OsRelease read_release(Guestfs& appliance, const std::string& origin) {
  OsRelease release = parse_os_release(appliance.read_file("/etc/os-release"), origin + ": /etc/os-release");
  if (release.id == "debian" || release.id == "ubuntu") return release;
  throw unfit(origin, fmt::format("its distribution '{}' is neither Debian nor Ubuntu", release.id));
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string fstab_mount_point(const std::string& fstab, const Partition& partition) {
  const std::array<std::string, 6> names = {"UUID=" + partition.ext4.uuid,
                                            "LABEL=" + partition.ext4.label,
                                            "PARTUUID=" + lower(partition.uuid),
                                            "/dev/disk/by-uuid/" + partition.ext4.uuid,
                                            "/dev/disk/by-label/" + partition.ext4.label,
                                            "/dev/disk/by-partuuid/" + lower(partition.uuid)};
  std::istringstream lines(fstab);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string device;
    std::string mount_point;
    fields >> device >> mount_point;
    std::erase(device, '"');
    const bool by_label = device.find("LABEL=") == 0 || device.find("/by-label/") != std::string::npos;
    if (by_label && partition.ext4.label.empty()) continue;
    const std::string wanted = by_label                          ? device
                               : device.starts_with("PARTUUID=") ? "PARTUUID=" + lower(device.substr(9))
                                                                 : device;
    if (std::find(names.begin(), names.end(), wanted) != names.end()) return mount_point;
  }
  return "";
}

ExaminedDisk examine_disk(Guestfs& appliance, const std::string& origin) {
  const std::uint64_t sectors = appliance.device_size("/dev/sda").bytes / kSectorSize;
  ExaminedDisk disk;
  disk.layout =
      read_gpt(appliance.read_device("/dev/sda", 0, kGptHeadSectors * kSectorSize), sectors, origin);
  if (disk.layout.partitions.empty()) throw unfit(origin, "its partition table is empty");
  for (Partition& partition : disk.layout.partitions) classify(appliance, partition, origin);
  const Partition& root = find_root(appliance, disk.layout, origin);
  mount_checked(appliance, root, "/", origin);
  place_other_file_systems(appliance, disk.layout, origin);
  disk.release = read_release(appliance, origin);
  return disk;
}

}  // namespace imgbuild
