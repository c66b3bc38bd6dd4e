#include "inspect/check_layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "build/boot_digests.h"
#include "util/error.h"
#include "util/gpt.h"

namespace imgbuild {
namespace {

constexpr std::size_t kPiece = 1 << 20;

std::string device_of(const Partition& partition) { return fmt::format("/dev/sda{}", partition.number); }

std::string place_of(const Partition& partition) { return fmt::format("partition {}", partition.number); }

class LayoutCheck {
 public:
  LayoutCheck(OpenDisk& disk, const Manifest& manifest)
      : disk_(disk), manifest_(manifest), sectors_(disk.appliance().device_size("/dev/sda").bytes / kSectorSize) {}

  std::vector<Difference> run() {
    const std::uint64_t expected = manifest_.disk / kSectorSize;
    if (sectors_ < expected) {
      add("disk", fmt::format("has {} bytes, must be {}", sectors_ * kSectorSize, manifest_.disk));
    } else if (sectors_ == expected) {
      compare_table();
    } else {
      compare_grown_table();
    }
    compare_boot();
    compare_gaps();
    compare_file_systems();
    return std::move(differences_);
  }

 private:
  void add(std::string place, std::string what) { differences_.push_back({std::move(place), std::move(what)}); }

  /// Byte for byte, but for the boot code, which has a digest of its own.
  void compare_table() {
    const GptBytes table = make_gpt(manifest_.layout, sectors_);
    const std::string head = disk_.read(0, kGptHeadSectors * kSectorSize);
    if (head.substr(kBootCodeSize) != table.head.substr(kBootCodeSize)) add("partition table", "differs");
    const std::string tail = disk_.read((sectors_ - kGptTailSectors) * kSectorSize, kGptTailSectors * kSectorSize);
    if (tail != table.tail) add("partition table", "the copy at the end of the disk differs");
  }

  /// Tools that grow partitions write the table in their own way; what it says must be the same.
  void compare_grown_table() {
    try {
      DiskLayout layout = read_gpt(disk_.read(0, kGptHeadSectors * kSectorSize), sectors_, "partition table");
      if (layout.disk_guid != manifest_.layout.disk_guid) add("partition table", fmt::format("has id {}, must be {}", layout.disk_guid, manifest_.layout.disk_guid));
      compare_partitions(layout);
    } catch (const Error& error) {
      add("partition table", error.what());
    }
  }

  void compare_partitions(const DiskLayout& layout) {
    for (const Partition& expected : manifest_.layout.partitions) {
      const auto found = std::ranges::find(layout.partitions, expected.number, &Partition::number);
      if (found == layout.partitions.end()) {
        add(place_of(expected), "is missing");
        continue;
      }
      const bool may_grow = expected.mount_point == "/";
      const bool has_place = found->first_sector == expected.first_sector && (found->sectors == expected.sectors || (may_grow && found->sectors > expected.sectors));
      if (!has_place || found->type != expected.type || found->uuid != expected.uuid) add(place_of(expected), "has another place, type or id");
    }
    for (const Partition& found : layout.partitions) {
      if (std::ranges::find(manifest_.layout.partitions, found.number, &Partition::number) == manifest_.layout.partitions.end()) {
        add(place_of(found), "is not of the image");
      }
    }
  }

  void compare_boot() {
    const auto read = [&](std::uint64_t offset, std::size_t size) { return disk_.read(offset, size); };
    const std::map<std::string, std::string> found = boot_digests(manifest_.layout, read);
    for (const auto& [name, digest] : manifest_.boot) {
      const auto same = found.find(name);
      if (same == found.end() || same->second != digest) add(name == "code" ? "boot code" : "boot partition " + name, "has another content");
    }
  }

  /// Where nothing is, nothing may be: a boot loader could look there.
  void compare_gaps() {
    std::uint64_t next = kGptHeadSectors;
    for (const Partition& partition : manifest_.layout.partitions) {
      if (!is_zero(next, partition.first_sector)) add(fmt::format("gap before partition {}", partition.number), "is not empty");
      next = partition.first_sector + partition.sectors;
    }
    const std::uint64_t end = manifest_.disk / kSectorSize - kGptTailSectors;
    if (sectors_ * kSectorSize == manifest_.disk && !is_zero(next, end)) add("gap behind the last partition", "is not empty");
  }

  bool is_zero(std::uint64_t first_sector, std::uint64_t end_sector) {
    for (std::uint64_t at = first_sector * kSectorSize; at < end_sector * kSectorSize; at += kPiece) {
      const std::string bytes = disk_.read(at, static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end_sector * kSectorSize - at)));
      if (bytes.find_first_not_of('\0') != std::string::npos) return false;
    }
    return true;
  }

  void compare_file_systems() {
    for (const Partition& partition : manifest_.layout.partitions) {
      if (partition.content != Partition::Content::ext4) continue;
      const std::string place = fmt::format("file system of partition {}", partition.number);
      try {
        std::map<std::string, std::string> facts = disk_.appliance().ext4_parameters(device_of(partition));
        const std::string label = facts["Filesystem volume name"] == "<none>" ? "" : facts["Filesystem volume name"];
        if (facts["Filesystem UUID"] != partition.ext4.uuid) add(place, fmt::format("has UUID {}, must be {}", facts["Filesystem UUID"], partition.ext4.uuid));
        if (label != partition.ext4.label) add(place, fmt::format("has label '{}', must be '{}'", label, partition.ext4.label));
      } catch (const Error& error) {
        add(place, fmt::format("can't be read: {}", error.what()));
      }
    }
  }

  OpenDisk& disk_;
  const Manifest& manifest_;
  std::uint64_t sectors_;
  std::vector<Difference> differences_;
};

}  // namespace

std::vector<Difference> check_layout(OpenDisk& disk, const Manifest& manifest) { return LayoutCheck(disk, manifest).run(); }

}  // namespace imgbuild
