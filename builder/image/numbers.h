#pragma once

#include <cstdint>
#include <string>

namespace imgbuild {

/// Puts the lowest 'size' bytes of 'value' at 'at' of 'bytes', the highest first.
inline void put_big_endian(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes.at(at + i) = static_cast<char>(value >> (8 * (size - 1 - i)));
}

/// The same, the lowest first.
inline void put_little_endian(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes.at(at + i) = static_cast<char>(value >> (8 * i));
}

/// Puts text at 'at' of 'bytes', over what is there.
inline void put_text(std::string& bytes, std::size_t at, std::string_view text) { bytes.replace(at, text.size(), text); }

}  // namespace imgbuild
