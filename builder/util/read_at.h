#pragma once

#include <cstdint>
#include <string>

#include "util/io.h"

namespace imgbuild::io {

/// The bytes at an offset; fewer than 'size' only where the file ends. Any number of threads may read one file.
[[nodiscard]] std::string read_at(const File& file, std::size_t size, std::uint64_t offset);

}  // namespace imgbuild::io
