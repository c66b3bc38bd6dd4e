#include "tree/tree_listing.h"

#include <fmt/format.h>

#include <map>

#include "tree/mtree.h"
#include "util/digest.h"
#include "util/interrupt.h"
#include "util/parallel.h"
#include "util/root_folder.h"

namespace imgbuild {

char type_letter(mode_t mode) {
  if (S_ISREG(mode)) return 'f';
  if (S_ISDIR(mode)) return 'd';
  if (S_ISLNK(mode)) return 'l';
  if (S_ISCHR(mode)) return 'c';
  if (S_ISBLK(mode)) return 'b';
  return S_ISFIFO(mode) ? 'p' : 's';
}

std::string attribute_text(const std::vector<Attribute>& attributes) {
  std::string text;
  for (const Attribute& attribute : attributes) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", escape(attribute.name), to_base64(attribute.value));
  }
  return text;
}

namespace {

std::string digest_of(const io::File& file) {
  thread_local std::vector<char> buffer(1 << 20);
  Sha256 digest;
  while (const std::size_t size = io::read(file, buffer.data(), buffer.size())) {
    check_interrupt();
    digest.update({buffer.data(), size});
  }
  return digest.hex();
}

TreeRecord record_of(const RootFolder& root, const TreeEntry& entry) {
  const struct stat& status = entry.status;
  TreeRecord record{.path = "/" + entry.path, .type = type_letter(status.st_mode)};
  record.mode = status.st_mode & 07777;
  record.uid = status.st_uid;
  record.gid = status.st_gid;
  record.mtime = status.st_mtim.tv_sec;
  if (record.type == 'l') record.content = root.read_link(entry.path);
  if (record.type != 'f' && record.type != 'd') return record;
  const io::File file = root.open_file(entry.path);
  record.attributes = attribute_text(read_attributes(file));
  if (record.type == 'd') return record;
  record.size = static_cast<std::uint64_t>(status.st_size);
  record.content = digest_of(file);
  return record;
}

}  // namespace

std::vector<TreeRecord> tree_listing(const std::filesystem::path& folder) {
  const RootFolder root(folder);
  const std::vector<TreeEntry> entries = list_tree(root);
  std::vector<TreeRecord> records(entries.size());
  in_parallel(entries.size(), [&](std::size_t i) { records[i] = record_of(root, entries[i]); });
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
