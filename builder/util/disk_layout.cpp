#include "util/disk_layout.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "util/error.h"
#include "util/gpt.h"

namespace imgbuild {

using nlohmann::json;

void to_json(json& node, const Ext4Identity& ext4) {
  node = json{{"uuid", ext4.uuid},
              {"label", ext4.label},
              {"features", ext4.features},
              {"inode_size", ext4.inode_size}};
}

void from_json(const json& node, Ext4Identity& ext4) {
  node.at("uuid").get_to(ext4.uuid);
  node.at("label").get_to(ext4.label);
  node.at("features").get_to(ext4.features);
  node.at("inode_size").get_to(ext4.inode_size);
}

void to_json(json& node, const Partition& partition) {
  node = json{{"number", partition.number},
              {"type", partition.type},
              {"uuid", partition.uuid},
              {"name", partition.name},
              {"first_sector", partition.first_sector},
              {"sectors", partition.sectors},
              {"attribute_bits", partition.attribute_bits}};
  if (partition.content == Partition::Content::ext4) {
    node["mount_point"] = partition.mount_point;
    node["ext4"] = partition.ext4;
  }
}

void from_json(const json& node, Partition& partition) {
  node.at("number").get_to(partition.number);
  node.at("type").get_to(partition.type);
  node.at("uuid").get_to(partition.uuid);
  node.at("name").get_to(partition.name);
  node.at("first_sector").get_to(partition.first_sector);
  node.at("sectors").get_to(partition.sectors);
  node.at("attribute_bits").get_to(partition.attribute_bits);
  if (!node.contains("ext4")) return;
  partition.content = Partition::Content::ext4;
  node.at("mount_point").get_to(partition.mount_point);
  node.at("ext4").get_to(partition.ext4);
}

const Partition* find_mounted(const DiskLayout& layout, const std::string& mount_point) {
  const auto found =
      std::find_if(layout.partitions.begin(), layout.partitions.end(), [&](const Partition& partition) {
        return partition.content == Partition::Content::ext4 && partition.mount_point == mount_point;
      });
  return found == layout.partitions.end() ? nullptr : &*found;
}

DiskLayout fit_to_disk(const DiskLayout& layout, ByteSize size) {
  constexpr std::uint64_t kSectorsPerMiB = (1 << 20) / kSectorSize;
  constexpr std::uint64_t kLeast = 64 * kSectorsPerMiB;
  if (layout.partitions.empty() || layout.partitions.back().mount_point != "/") {
    throw Error(ExitCode::bad_input, "disk layout: the last partition is not the root file system");
  }
  DiskLayout result = layout;
  Partition& root = result.partitions.back();
  const std::uint64_t sectors = size.bytes / kSectorSize;
  const std::uint64_t needed = root.first_sector + kLeast + kSectorsPerMiB;
  if (sectors < needed) {
    throw Error(ExitCode::bad_input, "disk of {} is too small: its boot area and a root file system need {}",
                format_byte_size(size), format_byte_size({needed * kSectorSize}));
  }
  const std::uint64_t end = (sectors - kGptTailSectors) / kSectorsPerMiB * kSectorsPerMiB;
  root.sectors = end - root.first_sector;
  return result;
}

std::string to_json(const DiskLayout& layout) {
  return json{{"disk_guid", layout.disk_guid}, {"partitions", layout.partitions}}.dump(1);
}

DiskLayout disk_layout_from_json(const std::string& text, const std::string& origin) {
  try {
    const json node = json::parse(text);
    DiskLayout layout;
    node.at("disk_guid").get_to(layout.disk_guid);
    node.at("partitions").get_to(layout.partitions);
    return layout;
  } catch (const json::exception& error) {
    throw Error(ExitCode::bad_input, "{}: is no disk layout: {}", origin, error.what());
  }
}

}  // namespace imgbuild
