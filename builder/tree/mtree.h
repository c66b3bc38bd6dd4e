#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tree/tree_listing.h"

/// Lists of files in the form of mtree(5), which libarchive and others read too: a line a thing, "#mtree" before them.
///
///   . type=dir mode=0755 uid=0 gid=0 time=1700000000.0
///   ./etc/hosts type=file mode=0644 uid=0 gid=0 size=12 time=1700000000.0 sha256digest=… xattr.user.note=BASE64
///   ./etc/localtime type=link mode=0777 uid=0 gid=0 time=1700000000.0 link=/usr/share/zoneinfo/UTC
namespace imgbuild {

/// Octal escapes ("\040") for all that is not printable ASCII, and for what mtree(5) gives a meaning.
[[nodiscard]] std::string escape(std::string_view text);

/// In the order given.
[[nodiscard]] std::string to_mtree(const std::vector<TreeRecord>& records);

/// What to_mtree wrote. Throws Error (bad input) "ORIGIN:LINE: …" on anything else.
[[nodiscard]] std::vector<TreeRecord> parse_mtree(std::string_view text, const std::string& origin);

}  // namespace imgbuild
