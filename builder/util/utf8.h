#pragma once

#include <cstddef>
#include <string_view>

namespace imgbuild {

/// One character of a UTF-8 text.
struct Utf8Character {
  char32_t code = 0;
  std::size_t length = 0;  ///< bytes; 0: they are no UTF-8
};

/// The character that begins at 'offset', which must be inside the text. Overlong forms, surrogates and codes
/// over U+10FFFF are no UTF-8 (RFC 3629, section 3).
[[nodiscard]] Utf8Character decode_utf8(std::string_view text, std::size_t offset);

}  // namespace imgbuild
