#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/source.h"
#include "util/size.h"

namespace imgbuild {

/// When an image was published: "20240423", "20240423.1", Debian's "20231013-1532". Compared as numbers.
struct Serial {
  std::uint32_t date = 0;      ///< YYYYMMDD
  std::uint32_t revision = 0;  ///< 0: none
  auto operator<=>(const Serial&) const = default;
};

[[nodiscard]] std::optional<Serial> parse_serial(std::string_view text);

/// One image that an index offers.
struct Release {
  Serial serial;
  std::string serial_text;  ///< as published
  std::string path;         ///< relative to the source's base_url; safe to put behind it
  std::string sha256;
  ByteSize size;
  bool operator==(const Release&) const = default;
};

/// The released images of the source's product, oldest first; versions with another label than "release" or
/// without the item wanted are left out. 'text' is a simplestreams products:1.0 document, already believed;
/// what is wrong in it all the same is refused. Throws Error (verification failed) that begins with 'origin'.
[[nodiscard]] std::vector<Release> parse_release_index(const std::string& text, const BaseSource& source,
                                                       const std::string& origin);

/// The digests of a SHA256SUMS by file name, read strictly: every line is a lower-case digest, a blank, '*'
/// or a blank, and a plain file name that no other line has; "\n" ends each. Throws Error (verification
/// failed) that begins with "ORIGIN:LINE".
[[nodiscard]] std::map<std::string, std::string> parse_checksums(std::string_view text,
                                                                 const std::string& origin);

/// True for a relative path of letters, digits and "._+~-" between slashes, without "." or ".." or empty
/// parts.
[[nodiscard]] bool is_safe_path(std::string_view path);

}  // namespace imgbuild
