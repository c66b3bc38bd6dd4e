#pragma once

#include <string>
#include <string_view>

#include "util/size.h"

namespace imgbuild {

/// One zstd frame. The same bytes give the same frame with the same version of the library.
[[nodiscard]] std::string compress_zstd(std::string_view bytes);

/// The content of one zstd frame. Throws Error (bad input) "ORIGIN: …" if it is none, damaged, or holds more than 'limit'.
[[nodiscard]] std::string decompress_zstd(std::string_view frame, const std::string& origin, ByteSize limit);

}  // namespace imgbuild
