#include "tree/tree_listing.h"

#include <fmt/format.h>

#include <map>

#include "util/digest.h"
#include "util/interrupt.h"
#include "util/root_folder.h"

namespace imgbuild {
namespace {

char type_letter(mode_t mode) {
  if (S_ISREG(mode)) return 'f';
  if (S_ISDIR(mode)) return 'd';
  if (S_ISLNK(mode)) return 'l';
  if (S_ISCHR(mode)) return 'c';
  if (S_ISBLK(mode)) return 'b';
  return S_ISFIFO(mode) ? 'p' : 's';
}

std::string digest_of(const io::File& file, std::vector<char>& buffer) {
  Sha256 digest;
  while (const std::size_t size = io::read(file, buffer.data(), buffer.size())) {
    check_interrupt();
    digest.update({buffer.data(), size});
  }
  return digest.hex();
}

TreeRecord record_of(const RootFolder& root, const TreeEntry& entry, std::vector<char>& buffer) {
  const struct stat& status = entry.status;
  TreeRecord record{.path = "/" + entry.path, .type = type_letter(status.st_mode)};
  record.mode = status.st_mode & 07777;
  record.uid = status.st_uid;
  record.gid = status.st_gid;
  record.mtime = status.st_mtim.tv_sec;
  if (record.type == 'l') record.content = root.read_link(entry.path);
  if (record.type != 'f' && record.type != 'd') return record;
  const io::File file = root.open_file(entry.path);
  for (const Attribute& attribute : read_attributes(file)) {
    record.attributes += fmt::format("{}{}={}", record.attributes.empty() ? "" : " ", attribute.name, to_hex(attribute.value));
  }
  if (record.type == 'd') return record;
  record.size = static_cast<std::uint64_t>(status.st_size);
  record.content = digest_of(file, buffer);
  return record;
}

}  // namespace

std::vector<TreeRecord> tree_listing(const std::filesystem::path& folder) {
  const RootFolder root(folder);
  std::vector<char> buffer(1 << 20);
  std::vector<TreeRecord> records;
  for (const TreeEntry& entry : list_tree(root)) records.push_back(record_of(root, entry, buffer));
  return records;
}

std::string to_text(const TreeRecord& record) {
  return fmt::format("{} {} {:04o} {}:{} {} {} {} {}", record.path, record.type, record.mode, record.uid, record.gid,
                     record.size, record.mtime, record.content, record.attributes);
}

std::vector<std::string> difference(const std::vector<TreeRecord>& before, const std::vector<TreeRecord>& after) {
  std::map<std::string, std::pair<const TreeRecord*, const TreeRecord*>> pairs;
  for (const TreeRecord& record : before) pairs[record.path].first = &record;
  for (const TreeRecord& record : after) pairs[record.path].second = &record;
  std::vector<std::string> lines;
  for (const auto& [path, pair] : pairs) {
    const auto& [old_record, new_record] = pair;
    if (old_record != nullptr && new_record != nullptr && *old_record == *new_record) continue;
    if (old_record != nullptr) lines.push_back("-" + to_text(*old_record));
    if (new_record != nullptr) lines.push_back("+" + to_text(*new_record));
  }
  return lines;
}

}  // namespace imgbuild
