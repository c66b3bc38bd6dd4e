#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>

#include "util/error.h"
#include "util/root_folder.h"

namespace imgbuild {

bool is_tree_attribute(std::string_view name) {
  if (name.starts_with("user.")) return !name.starts_with("user.overlay.");
  return name == "security.capability" || name == "system.posix_acl_access" || name == "system.posix_acl_default";
}

std::vector<Attribute> read_attributes(const io::File& file) {
  const auto fail_reading = [&file] {
    throw system_error(errno, fmt::format("cannot read the attributes of '{}'", file.path().native()));
  };
  const ssize_t size = ::flistxattr(file.fd(), nullptr, 0);
  if (size < 0 && errno != ENOTSUP) fail_reading();
  if (size <= 0) return {};
  std::string names(static_cast<std::size_t>(size), '\0');
  const ssize_t listed = ::flistxattr(file.fd(), names.data(), names.size());
  if (listed < 0) fail_reading();
  std::vector<Attribute> attributes;
  for (std::size_t at = 0; at < static_cast<std::size_t>(listed);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (!is_tree_attribute(name)) continue;
    std::string value(65536, '\0');  // XATTR_SIZE_MAX
    const ssize_t length = ::fgetxattr(file.fd(), name.c_str(), value.data(), value.size());
    if (length < 0) fail_reading();
    attributes.push_back({name, value.substr(0, static_cast<std::size_t>(length))});
  }
  std::sort(attributes.begin(), attributes.end());
  return attributes;
}

}  // namespace imgbuild
