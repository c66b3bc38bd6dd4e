#include "tree/tree_digest.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "util/digest.h"
#include "util/error.h"
#include "util/parallel.h"
#include "util/root_folder.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// "name\0name\0…"
std::string attribute_names(const fs::path& path) {
  std::string names(1024, '\0');
  for (;;) {
    const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
    if (size >= 0) return names.substr(0, static_cast<std::size_t>(size));
    if (errno == ENOTSUP) return {};
    if (errno != ERANGE) throw system_error(errno, fmt::format("cannot list the attributes of '{}'", path.native()));
    names.resize(names.size() * 8);
  }
}

std::string attribute(const fs::path& path, const std::string& name) {
  std::string value(1 << 16, '\0');  // XATTR_SIZE_MAX
  const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) throw system_error(errno, fmt::format("cannot read attribute '{}' of '{}'", name, path.native()));
  return value.substr(0, static_cast<std::size_t>(size));
}

/// All attributes as fields, sorted by name: file systems list them in the order they were set.
std::string attribute_fields(const fs::path& path) {
  const std::string names = attribute_names(path);
  std::vector<std::string> fields;
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    const std::string name = names.c_str() + at;
    fields.push_back(fmt::format("{}={}", name, sha256(attribute(path, name))));
  }
  std::ranges::sort(fields);
  return fmt::format("{}", fmt::join(fields, ","));
}

std::string content_of(const fs::path& path, const struct stat& status) {
  if (S_ISREG(status.st_mode)) return sha256_file(path);
  if (S_ISLNK(status.st_mode)) return fs::read_symlink(path).native();
  if (S_ISBLK(status.st_mode) || S_ISCHR(status.st_mode)) return fmt::format("{}:{}", major(status.st_rdev), minor(status.st_rdev));
  return {};
}

/// One line for one entry.
std::string describe(const fs::path& folder, const TreeEntry& entry) {
  const struct stat& status = entry.status;
  const fs::path path = entry.path.empty() ? folder : folder / entry.path;
  return fmt::format("{:o} {} {} {}.{:09} {} {}", status.st_mode, status.st_uid, status.st_gid, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                     content_of(path, status), attribute_fields(path));
}

}  // namespace

TreeDigest digest_tree(const fs::path& folder) {
  const std::vector<TreeEntry> entries = list_tree(RootFolder(folder));
  std::vector<std::string> lines(entries.size());
  in_parallel(entries.size(), [&](std::size_t i) { lines[i] = describe(folder, entries[i]); });
  TreeDigest digest{.entries = entries.size()};
  Sha256 hash;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    hash.update_field(entries[i].path);
    hash.update_field(lines[i]);
    if (S_ISREG(entries[i].status.st_mode)) digest.bytes += static_cast<std::uint64_t>(entries[i].status.st_size);
    digest.newest = std::max<std::int64_t>(digest.newest, entries[i].status.st_mtime);
  }
  digest.sha256 = hash.hex();
  return digest;
}

}  // namespace imgbuild
