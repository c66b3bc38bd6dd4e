#include "util/iso_records.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "util/error.h"

// What of an ISO 9660 image is read here (ECMA-119; numbers are there twice, we take the little-endian one):
//
//   sector 16 …   volume descriptors, 2048 bytes each: type (1 primary, 2 Joliet, 255 last), "CD001",
//                 40 volume name (32), 140 first sector of the path table (4), 156 root's directory record, 813 created (17), 830 changed (17), 864 valid from (17)
//   directory record: 0 its length (0: go on in the next sector), 2 first sector (4), 10 size (4), 18 time (7),
//                 25 flags (2: folder), 32 length of the name, 33 name, padding to even, then
//                 system use entries (SUSP, Rock Ridge): 2 letters, length, version, data
//                   "TF" 4 flags (128: long times), 5 times        "CE" 4 sector, 12 offset, 20 length of further entries

namespace imgbuild::iso {

namespace {

constexpr std::size_t kSector = 2048;
constexpr std::size_t kFirstDescriptor = 16;
constexpr std::string_view kMark = "CD001";
constexpr int kMaxDepth = 8;
enum DescriptorType : unsigned char { kPrimary = 1, kJoliet = 2, kLast = 255 };

constexpr std::array<char, 7> kShortTime{100, 1, 1, 0, 0, 0, 0};  // years since 1900, month, day, h, min, s, zone
constexpr std::array<char, 17> kLongTime{'2', '0', '0', '0', '0', '1', '0', '1', '0',
                                         '0', '0', '0', '0', '0', '0', '0', 0};

std::span<char> part(std::span<char> bytes, std::size_t offset, std::size_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) {
    throw Error(ExitCode::bad_input, "the ISO 9660 image is not whole: byte {} is missing", offset + size);
  }
  return bytes.subspan(offset, size);
}

std::uint32_t number(std::span<char> bytes, std::size_t offset) {
  const std::span<char> four = part(bytes, offset, 4);
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(four[i]);
  return value;
}

unsigned char byte(std::span<char> bytes, std::size_t offset) {
  return static_cast<unsigned char>(part(bytes, offset, 1)[0]);
}

template <std::size_t Size>
void put(std::span<char> bytes, std::size_t offset, const std::array<char, Size>& value) {
  std::memcpy(part(bytes, offset, Size).data(), value.data(), Size);
}

struct Descriptor {
  unsigned char type;
  std::span<char> bytes;
};

/// The n-th volume descriptor (from 0), nothing after the last.
std::optional<Descriptor> descriptor(std::span<char> image, std::size_t n) {
  const std::size_t offset = (kFirstDescriptor + n) * kSector;
  if (offset + kSector > image.size()) return std::nullopt;
  const std::span<char> bytes = image.subspan(offset, kSector);
  if (std::string_view(bytes.data() + 1, kMark.size()) != kMark || byte(bytes, 0) == kLast) return std::nullopt;
  return Descriptor{.type = byte(bytes, 0), .bytes = bytes};
}

/// Joliet's big-endian UCS-2; anything outside ASCII becomes '?'.
std::string joliet_text(std::span<const char> bytes) {
  std::string text;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) text += bytes[i] == 0 ? bytes[i + 1] : '?';
  return text;
}

std::span<char> extent(std::span<char> image, std::span<char> record) {
  const std::size_t size = number(record, 10);
  if (size == 0) return {};  // the sector of an empty file means nothing
  return part(image, std::size_t{number(record, 2)} * kSector, size);
}

std::span<char> name_of(std::span<char> record) { return part(record, 33, byte(record, 32)); }
bool is_folder(std::span<char> record) { return (byte(record, 25) & 2) != 0; }

/// "." and ".." have the names 0 and 1.
bool is_self_or_parent(std::span<char> record) {
  const std::span<char> name = name_of(record);
  return name.size() == 1 && (name[0] == 0 || name[0] == 1);
}

using RecordVisitor = std::function<void(std::span<char> record)>;

void visit_folder(std::span<char> image, std::span<char> folder, int depth, const RecordVisitor& visit) {
  if (depth > kMaxDepth) throw Error(ExitCode::bad_input, "the ISO 9660 image has folders nested too deep");
  const std::span<char> records = extent(image, folder);
  for (std::size_t at = 0; at < records.size();) {
    const std::size_t size = byte(records, at);
    if (size == 0) {
      at = (at / kSector + 1) * kSector;
      continue;
    }
    const std::span<char> record = part(records, at, size);
    visit(record);
    if (is_folder(record) && !is_self_or_parent(record)) visit_folder(image, record, depth + 1, visit);
    at += size;
  }
}

void fix_time_entry(std::span<char> entry) {
  const bool is_long = (byte(entry, 4) & 128) != 0;
  for (std::size_t at = 5; at < entry.size(); at += is_long ? kLongTime.size() : kShortTime.size()) {
    is_long ? put(entry, at, kLongTime) : put(entry, at, kShortTime);
  }
}

void fix_system_use(std::span<char> image, std::span<char> area) {
  while (area.size() >= 4) {
    const std::string_view kind(area.data(), 2);
    const std::size_t size = byte(area, 2);
    if (size < 4) return;  // padding
    const std::span<char> entry = part(area, 0, size);
    if (kind == "TF") fix_time_entry(entry);
    if (kind == "CE") {
      fix_system_use(image, part(image, std::size_t{number(entry, 4)} * kSector + number(entry, 12), number(entry, 20)));
    }
    area = area.subspan(size);
  }
}

void fix_record(std::span<char> image, std::span<char> record) {
  put(record, 18, kShortTime);
  const std::size_t name_end = 33 + name_of(record).size();
  const std::size_t system_use = name_end + name_end % 2;
  if (system_use < record.size()) fix_system_use(image, record.subspan(system_use));
}

/// libarchive notes the time, its version and its options in the unused sectors between the descriptors and the tables.
void clear_unused_sectors(std::span<char> image, std::size_t descriptors, std::size_t first_table) {
  const std::size_t begin = (kFirstDescriptor + descriptors + 1) * kSector;  // one more: the last descriptor
  const std::size_t end = first_table * kSector;
  if (begin >= end) return;
  const std::span<char> unused = part(image, begin, end - begin);
  std::memset(unused.data(), 0, unused.size());
}

}  // namespace

std::string volume_id(std::string_view image) {
  std::string name;
  const std::span<char> bytes(const_cast<char*>(image.data()), image.size());  // only read below
  for (std::size_t n = 0; const std::optional<Descriptor> found = descriptor(bytes, n); ++n) {
    const std::span<char> field = part(found->bytes, 40, 32);
    if (found->type == kPrimary) name.assign(field.begin(), field.end());
    if (found->type == kJoliet) name = joliet_text(field);
  }
  name.erase(name.find_last_not_of(std::string_view(" \0", 2)) + 1);
  return name;
}

void fix_times(std::string& image) {
  const std::span<char> bytes(image);
  std::size_t descriptors = 0;
  std::size_t first_table = bytes.size() / kSector;
  for (; const std::optional<Descriptor> found = descriptor(bytes, descriptors); ++descriptors) {
    if (found->type != kPrimary && found->type != kJoliet) continue;
    for (const std::size_t at : {813U, 830U, 864U}) put(found->bytes, at, kLongTime);
    const std::span<char> root = part(found->bytes, 156, 34);
    put(root, 18, kShortTime);
    visit_folder(bytes, root, 0, [bytes](std::span<char> record) { fix_record(bytes, record); });
    first_table = std::min<std::size_t>(first_table, number(found->bytes, 140));
  }
  clear_unused_sectors(bytes, descriptors, first_table);
}

void visit_contents(std::string& image,
                    const std::function<void(const std::string&, char*, std::size_t)>& visit) {
  const std::span<char> bytes(image);
  for (std::size_t n = 0; const std::optional<Descriptor> found = descriptor(bytes, n); ++n) {
    if (found->type != kJoliet) continue;
    visit_folder(bytes, part(found->bytes, 156, 34), 0, [&](std::span<char> record) {
      if (is_folder(record)) return;
      const std::string name = joliet_text(name_of(record));
      const std::span<char> content = extent(bytes, record);
      visit(name.substr(0, name.find(';')), content.data(), content.size());
    });
  }
}

}  // namespace imgbuild::iso
