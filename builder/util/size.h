#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace imgbuild {

/// A number of bytes.
struct ByteSize {
  std::uint64_t bytes = 0;
  auto operator<=>(const ByteSize&) const = default;
};

inline constexpr ByteSize operator""_KiB(unsigned long long n) { return {n << 10}; }
inline constexpr ByteSize operator""_MiB(unsigned long long n) { return {n << 20}; }
inline constexpr ByteSize operator""_GiB(unsigned long long n) { return {n << 30}; }

/// Reads "30 GiB", "512MiB", "4 KiB", "10 B". Decimal units and bare numbers are refused: they are where sizes go wrong.
[[nodiscard]] std::optional<ByteSize> parse_byte_size(std::string_view text);

/// Shortest form with at most one decimal: "10 GiB", "1.5 MiB", "17 B".
[[nodiscard]] std::string format_byte_size(ByteSize size);

/// Reads "300 s", "5 min", "250 ms", "2 h".
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "0.3 s", "12 s", "3 min 05 s".
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

}  // namespace imgbuild
