#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "util/root_folder.h"

namespace imgbuild {

/// One thing in a tree, as far as an image tells of it.
struct TreeRecord {
  std::string path;     ///< "/etc/hosts"; "/" for the root
  char type = 'f';      ///< f file, d folder, l link, as in find -type; c, b, p, s for the rest
  unsigned mode = 0;    ///< permission bits with setuid, setgid, sticky
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;       ///< bytes of a file, else 0
  std::int64_t mtime = 0;       ///< seconds since 1970
  std::string content = {};     ///< SHA-256 of a file, target of a link, else empty
  std::string attributes = {};  ///< as attribute_text gives them; may be empty
  bool operator==(const TreeRecord&) const = default;
};

/// As in find -type and TreeRecord::type.
[[nodiscard]] char type_letter(mode_t mode);

/// "name=base64 …" with names as escape() gives them (tree/mtree.h), in the order given.
[[nodiscard]] std::string attribute_text(const std::vector<Attribute>& attributes);

/// Everything below a folder, sorted by path in byte order. Reads every file, with all processors. Throws Error, Interrupted.
[[nodiscard]] std::vector<TreeRecord> tree_listing(const std::filesystem::path& folder);

/// One line a record: "PATH TYPE MODE UID:GID SIZE MTIME CONTENT ATTRIBUTES".
[[nodiscard]] std::string to_text(const TreeRecord& record);

/// Lines that differ between two listings, "-" and "+" in front; empty when the trees are the same.
[[nodiscard]] std::vector<std::string> difference(const std::vector<TreeRecord>& before,
                                                  const std::vector<TreeRecord>& after);

}  // namespace imgbuild
