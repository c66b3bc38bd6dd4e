#include "util/gpt.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "util/error.h"

// Sector 0       protective MBR: 440 bytes boot code, one entry of type 0xEE over the whole disk, 55 AA
// Sector 1       header: "EFI PART", revision 1.0, size 92, CRC, own and other header's sector, usable range,
// GUID,
//                first sector, number, size and CRC of the entries
// Sectors 2…33   128 entries of 128 bytes: type GUID, unique GUID, first and last sector, attributes, name in
// UTF-16 The last 33 sectors repeat entries and header, the header last. All numbers are little endian.

namespace imgbuild {
namespace {

constexpr std::size_t kEntrySize = 128;
constexpr std::size_t kMaxEntries = 128;
constexpr std::size_t kHeaderSize = 92;
constexpr std::size_t kNameUnits = 36;
constexpr std::string_view kSignature = "EFI PART";

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
    table[i] = value;
  }
  return table;
}

/// CRC-32 as in IEEE 802.3, which UEFI asks for.
std::uint32_t crc32(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_crc_table();
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFFU];
  return ~crc;
}

void put(std::string& bytes, std::size_t pos, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[pos + i] = static_cast<char>((value >> (8 * i)) & 0xFFU);
}

std::uint64_t get(std::string_view bytes, std::size_t pos, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[pos + i]);
  return value;
}

/// Where the bytes of a GUID's text form lie: its first three fields are little endian.
constexpr std::array<std::size_t, 16> kGuidOrder = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

void put_guid(std::string& bytes, std::size_t pos, const std::string& text) {
  std::string digits = text;
  std::erase(digits, '-');
  const bool hex =
      std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (digits.size() != 32 || !hex) throw Error(ExitCode::bad_input, "partition table: '{}' is no GUID", text);
  for (std::size_t i = 0; i < kGuidOrder.size(); ++i) {
    bytes[pos + kGuidOrder[i]] = static_cast<char>(std::stoi(digits.substr(2 * i, 2), nullptr, 16));
  }
}

std::string get_guid(std::string_view bytes, std::size_t pos) {
  std::string text;
  for (std::size_t i = 0; i < kGuidOrder.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02X}", static_cast<unsigned char>(bytes[pos + kGuidOrder[i]]));
  }
  return text;
}

void put_name(std::string& bytes, std::size_t pos, const std::string& name) {
  if (name.size() > kNameUnits) {
    throw Error(ExitCode::bad_input, "partition table: the name '{}' is longer than {} characters", name,
                kNameUnits);
  }
  for (std::size_t i = 0; i < name.size(); ++i)
    put(bytes, pos + 2 * i, static_cast<unsigned char>(name[i]), 2);
}

/// Names are for people; what is not ASCII becomes '?', which is safe to print and to write back.
std::string get_name(std::string_view bytes, std::size_t pos) {
  std::string name;
  for (std::size_t i = 0; i < kNameUnits; ++i) {
    const std::uint64_t unit = get(bytes, pos + 2 * i, 2);
    if (unit == 0) break;
    name += unit >= 0x20 && unit < 0x7F ? static_cast<char>(unit) : '?';
  }
  return name;
}

std::string make_entries(const DiskLayout& layout, std::uint64_t disk_sectors) {
  std::string entries(kEntrySize * kMaxEntries, '\0');
  for (const Partition& partition : layout.partitions) {
    const std::uint64_t end = partition.first_sector + partition.sectors;
    if (partition.number < 1 || partition.number > static_cast<int>(kMaxEntries) || partition.sectors == 0 ||
        partition.first_sector < kGptHeadSectors || end > disk_sectors - kGptTailSectors) {
      throw Error(ExitCode::bad_input, "partition {}: sectors {} to {} do not fit a disk of {} sectors",
                  partition.number, partition.first_sector, end - 1, disk_sectors);
    }
    const std::size_t pos = kEntrySize * (static_cast<std::size_t>(partition.number) - 1);
    put_guid(entries, pos, partition.type);
    put_guid(entries, pos + 16, partition.uuid);
    put(entries, pos + 32, partition.first_sector, 8);
    put(entries, pos + 40, end - 1, 8);
    std::uint64_t attributes = 0;
    for (const int bit : partition.attribute_bits) attributes |= std::uint64_t{1} << bit;
    put(entries, pos + 48, attributes, 8);
    put_name(entries, pos + 56, partition.name);
  }
  return entries;
}

struct HeaderPlace {
  std::uint64_t own;
  std::uint64_t other;
  std::uint64_t entries;
};

std::string make_header(const DiskLayout& layout, const std::string& entries, std::uint64_t disk_sectors,
                        const HeaderPlace& place) {
  std::string header(kSectorSize, '\0');
  header.replace(0, kSignature.size(), kSignature);
  put(header, 8, 0x00010000, 4);
  put(header, 12, kHeaderSize, 4);
  put(header, 24, place.own, 8);
  put(header, 32, place.other, 8);
  put(header, 40, kGptHeadSectors, 8);
  put(header, 48, disk_sectors - kGptTailSectors - 1, 8);
  put_guid(header, 56, layout.disk_guid);
  put(header, 72, place.entries, 8);
  put(header, 80, kMaxEntries, 4);
  put(header, 84, kEntrySize, 4);
  put(header, 88, crc32(entries), 4);
  put(header, 16, crc32(std::string_view(header).substr(0, kHeaderSize)), 4);
  return header;
}

std::string make_protective_mbr(std::uint64_t disk_sectors) {
  std::string mbr(kSectorSize, '\0');
  constexpr std::size_t kEntry = 446;
  put(mbr, kEntry, 0x00020000, 4);      // not active, starts at CHS 0/0/2
  put(mbr, kEntry + 4, 0xFFFFFFEE, 4);  // type EE, ends at the highest CHS
  put(mbr, kEntry + 8, 1, 4);
  put(mbr, kEntry + 12, std::min<std::uint64_t>(disk_sectors - 1, 0xFFFFFFFFU), 4);
  put(mbr, 510, 0xAA55, 2);
  return mbr;
}

[[noreturn]] void refuse(const std::string& origin, const std::string& reason) {
  throw Error(ExitCode::bad_input, "{}: {}", origin, reason);
}

void check_mbr(std::string_view head, const std::string& origin) {
  if (get(head, 510, 2) != 0xAA55) refuse(origin, "has no partition table");
  for (std::size_t pos = 446; pos < 510; pos += 16) {
    if (get(head, pos + 4, 1) == 0xEE) return;
  }
  Error error(ExitCode::bad_input, "{}: has an MBR partition table, only GPT is supported", origin);
  error.set_hint("cloud images with GPT boot under BIOS and UEFI; take one of those");
  throw error;
}

/// The entries the header points to. Throws if header or entries are damaged.
std::string_view checked_entries(std::string_view head, const std::string& origin) {
  std::string header(head.substr(kSectorSize, kHeaderSize));
  if (!header.starts_with(kSignature)) refuse(origin, "its GPT header is missing");
  const std::uint64_t stored = get(header, 16, 4);
  put(header, 16, 0, 4);
  if (get(header, 12, 4) != kHeaderSize || crc32(header) != stored)
    refuse(origin, "its GPT header is damaged");
  const std::uint64_t count = get(header, 80, 4);
  if (get(header, 24, 8) != 1 || get(header, 72, 8) != 2 || count > kMaxEntries ||
      get(header, 84, 4) != kEntrySize) {
    refuse(origin, "its GPT has an unusual form (entries elsewhere than at sector 2, or not 128 bytes each)");
  }
  const std::string_view entries = head.substr(2 * kSectorSize, count * kEntrySize);
  if (crc32(entries) != get(header, 88, 4)) refuse(origin, "its GPT entries are damaged");
  return entries;
}

void check_ranges(const DiskLayout& layout, std::uint64_t disk_sectors, const std::string& origin) {
  std::uint64_t free_from = kGptHeadSectors;
  for (const Partition& partition : layout.partitions) {
    const std::uint64_t end = partition.first_sector + partition.sectors;
    if (partition.first_sector < free_from) {
      refuse(origin, fmt::format("partition {} overlaps another or the table", partition.number));
    }
    if (end > disk_sectors)
      refuse(origin, fmt::format("partition {} ends behind the disk", partition.number));
    free_from = end;
  }
}

Partition read_entry(std::string_view entry, std::size_t index, const std::string& origin) {
  const std::uint64_t first = get(entry, 32, 8);
  const std::uint64_t last = get(entry, 40, 8);
  constexpr std::uint64_t kMost = std::uint64_t{1} << 55;  // keeps the sums below free of overflow
  if (first > last || last > kMost)
    refuse(origin, fmt::format("partition {} ends before it starts", index + 1));
  Partition partition;
  partition.number = static_cast<int>(index) + 1;
  partition.type = get_guid(entry, 0);
  partition.uuid = get_guid(entry, 16);
  partition.first_sector = first;
  partition.sectors = last - first + 1;
  partition.name = get_name(entry, 56);
  const std::uint64_t attributes = get(entry, 48, 8);
  for (int bit = 0; bit < 64; ++bit) {
    if (((attributes >> bit) & 1U) != 0) partition.attribute_bits.push_back(bit);
  }
  return partition;
}

}  // namespace

GptBytes make_gpt(const DiskLayout& layout, std::uint64_t disk_sectors) {
  if (disk_sectors < kGptHeadSectors + kGptTailSectors) {
    throw Error(ExitCode::bad_input, "partition table: a disk of {} sectors is too small", disk_sectors);
  }
  const std::string entries = make_entries(layout, disk_sectors);
  const std::uint64_t last = disk_sectors - 1;
  return {
      .head = make_protective_mbr(disk_sectors) +
              make_header(layout, entries, disk_sectors, {.own = 1, .other = last, .entries = 2}) + entries,
      .tail = entries + make_header(layout, entries, disk_sectors,
                                    {.own = last, .other = 1, .entries = disk_sectors - kGptTailSectors})};
}

DiskLayout read_gpt(std::string_view head, std::uint64_t disk_sectors, const std::string& origin) {
  if (head.size() < kGptHeadSectors * kSectorSize) refuse(origin, "is too short for a partition table");
  check_mbr(head, origin);
  const std::string_view entries = checked_entries(head, origin);
  DiskLayout layout;
  layout.disk_guid = get_guid(head, kSectorSize + 56);
  const std::string unused(16, '\0');
  for (std::size_t pos = 0; pos < entries.size(); pos += kEntrySize) {
    const std::string_view entry = entries.substr(pos, kEntrySize);
    if (entry.starts_with(unused)) continue;
    layout.partitions.push_back(read_entry(entry, pos / kEntrySize, origin));
  }
  std::sort(layout.partitions.begin(), layout.partitions.end(),
            [](const Partition& a, const Partition& b) { return a.first_sector < b.first_sector; });
  check_ranges(layout, disk_sectors, origin);
  return layout;
}

}  // namespace imgbuild
