#include "util/size.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace imgbuild {
namespace {

struct Quantity {
  std::uint64_t number;
  std::string_view unit;
};

std::optional<Quantity> split(std::string_view text) {
  Quantity quantity{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  quantity.unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (!quantity.unit.empty() && quantity.unit.front() == ' ') quantity.unit.remove_prefix(1);
  return quantity;
}

constexpr std::pair<std::string_view, unsigned> kByteUnits[] = {
    {"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}};
constexpr std::pair<std::string_view, std::uint64_t> kTimeUnits[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}};

}  // namespace

std::optional<ByteSize> parse_byte_size(std::string_view text) {
  const std::optional<Quantity> quantity = split(text);
  if (!quantity) return std::nullopt;
  for (const auto& [unit, shift] : kByteUnits) {
    if (quantity->unit != unit) continue;
    if (quantity->number > (UINT64_MAX >> shift)) return std::nullopt;
    return ByteSize{quantity->number << shift};
  }
  return std::nullopt;
}

std::string format_byte_size(ByteSize size) {
  for (const auto& [unit, shift] : kByteUnits) {
    const std::uint64_t one = std::uint64_t{1} << shift;
    if (size.bytes < one) continue;
    if (size.bytes % one == 0) return fmt::format("{} {}", size.bytes >> shift, unit);
    return fmt::format("{:.1f} {}", static_cast<double>(size.bytes) / static_cast<double>(one), unit);
  }
  return "0 B";
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const std::optional<Quantity> quantity = split(text);
  if (!quantity) return std::nullopt;
  for (const auto& [unit, factor] : kTimeUnits) {
    if (quantity->unit != unit) continue;
    if (quantity->number > 1'000'000'000'000 / factor) return std::nullopt;
    return std::chrono::milliseconds(quantity->number * factor);
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds duration) {
  const long long ms = duration.count();
  if (ms < 10'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
  if (ms < 60'000) return fmt::format("{} s", ms / 1000);
  return fmt::format("{} min {:02} s", ms / 60'000, ms / 1000 % 60);
}

}  // namespace imgbuild
