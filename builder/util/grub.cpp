#include "util/grub.h"

#include <algorithm>
#include <cctype>

#include "util/error.h"

namespace imgbuild {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// What grub-probe says of one partition, as lines that set shell variables. Ids are hexadecimal, so nothing
/// needs quoting.
std::string facts(const Partition& partition) {
  return fmt::format("uuid={} number={} partuuid={}", partition.ext4.uuid, partition.number,
                     lower(partition.uuid));
}

/// The script's case branches: by device, then by folder, the root last because every path starts with it.
std::string branches(const DiskLayout& layout) {
  std::string devices;
  std::string folders;
  std::string root;
  for (const Partition& partition : layout.partitions) {
    if (partition.content != Partition::Content::ext4) continue;
    devices += fmt::format("  /dev/disk/by-uuid/{}) {} ;;\n", partition.ext4.uuid, facts(partition));
    if (partition.mount_point == "/") {
      root = fmt::format("  /*) {} ;;\n", facts(partition));
    } else {
      folders += fmt::format("  {0}|{0}/*) {1} ;;\n", partition.mount_point, facts(partition));
    }
  }
  return devices + "  /dev/*) exit 1 ;;\n" + folders + root;
}

constexpr const char* kProbe = R"sh(#!/bin/sh
# Stands in for grub-probe while the image is only a folder.
target=fs where=
while [ $# -gt 0 ]; do
  case $1 in
  --target=*) target=${{1#--target=}} ;;
  -t | --target) target=$2 && shift ;;
  -m | --device-map) shift ;;
  -*) ;;
  *) where=$1 ;;
  esac
  shift
done
case $where in /dev/*) ;; *) where=$(realpath -m -- "$where") ;; esac
case $where in
{}  *) exit 1 ;;
esac
case $target in
device) echo "/dev/disk/by-uuid/$uuid" ;;
fs) echo ext2 ;;
fs_uuid) echo "$uuid" ;;
partuuid) echo "$partuuid" ;;
partmap) echo gpt ;;
abstraction | cryptodisk_uuid | fs_label) ;;
drive) echo "(hd0,gpt$number)" ;;
compatibility_hint | bios_hints | efi_hints) echo "hd0,gpt$number" ;;
hints_string) echo "--hint-bios=hd0,gpt$number --hint-efi=hd0,gpt$number --hint-baremetal=ahci0,gpt$number " ;;
*) exit 1 ;;
esac
)sh";

constexpr const char* kRelativePath = R"sh(#!/bin/sh
# Stands in for grub-mkrelpath while the image is only a folder.
for where; do :; done
where=$(realpath -m -- "$where")
case $where in
{}  *) echo "$where" ;;
esac
)sh";

std::string relative_branches(const DiskLayout& layout) {
  std::string result;
  for (const Partition& partition : layout.partitions) {
    if (partition.content != Partition::Content::ext4 || partition.mount_point == "/") continue;
    result += fmt::format("  {0}) echo / ;;\n  {0}/*) echo \"${{where#{0}}}\" ;;\n", partition.mount_point);
  }
  return result;
}

}  // namespace

std::vector<StandIn> grub_stand_ins(const DiskLayout& layout) {
  return {{.path = "/usr/sbin/grub-probe", .content = fmt::format(fmt::runtime(kProbe), branches(layout))},
          {.path = "/usr/bin/grub-mkrelpath",
           .content = fmt::format(fmt::runtime(kRelativePath), relative_branches(layout))}};
}

std::vector<std::string> grub_device_files(const DiskLayout& layout) {
  std::vector<std::string> files;
  for (const Partition& partition : layout.partitions) {
    if (partition.content == Partition::Content::ext4)
      files.push_back("/dev/disk/by-uuid/" + partition.ext4.uuid);
  }
  return files;
}

}  // namespace imgbuild
