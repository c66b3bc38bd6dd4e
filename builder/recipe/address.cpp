#include "recipe/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <span>

namespace imgbuild {
namespace {

unsigned bit(const IpAddress& address, unsigned index) {
  return (address.bytes[index / 8] >> (7 - index % 8)) & 1U;
}

/// True if all bits from 'first' to the end are 'value'.
bool tail_is(const IpAddress& address, unsigned first, unsigned value) {
  for (unsigned i = first; i < address.length * 8; ++i)
    if (bit(address, i) != value) return false;
  return true;
}

std::span<const unsigned char> used(const IpAddress& address) {
  return {address.bytes.data(), address.length};
}

bool all_zero(std::span<const unsigned char> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](unsigned char byte) { return byte == 0; });
}

/// ::ffff:0:0/96 and ::/96 hold IPv4 addresses.
bool embeds_ipv4(const IpAddress& address) {
  if (address.length != 16 || !all_zero(used(address).first(10))) return false;
  const bool mapped = address.bytes[10] == 0xFF && address.bytes[11] == 0xFF;
  const bool compatible =
      address.bytes[10] == 0 && address.bytes[11] == 0 && !all_zero(used(address).subspan(12, 2));
  return mapped || compatible;
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  const std::string name(text);
  if (name.size() != std::string_view(name.c_str()).size()) return std::nullopt;
  IpAddress address;
  if (inet_pton(AF_INET, name.c_str(), address.bytes.data()) == 1) return address;
  address.length = 16;
  const bool valid = inet_pton(AF_INET6, name.c_str(), address.bytes.data()) == 1;
  if (!valid || embeds_ipv4(address)) return std::nullopt;
  return address;
}

std::string format_ip(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(address.length == 4 ? AF_INET : AF_INET6, address.bytes.data(), text, sizeof text);
  return text;
}

std::optional<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<IpAddress> address = parse_ip(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  unsigned prefix = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  const bool number = error == std::errc() && end == digits.data() + digits.size() && digits.front() != '0';
  if (!address || !number || prefix > address->length * 8 || !tail_is(*address, prefix, 0))
    return std::nullopt;
  return Cidr{.address = *address, .prefix = prefix};
}

std::string format_cidr(const Cidr& network) {
  return format_ip(network.address) + '/' + std::to_string(network.prefix);
}

bool contains(const Cidr& network, const IpAddress& address) {
  if (network.address.length != address.length) return false;
  for (unsigned i = 0; i < network.prefix; ++i)
    if (bit(network.address, i) != bit(address, i)) return false;
  return true;
}

bool is_host_address(const IpAddress& address) {
  const auto& bytes = address.bytes;
  if (address.length == 4) {
    const bool link_local = bytes[0] == 169 && bytes[1] == 254;
    return bytes[0] != 0 && bytes[0] != 127 && bytes[0] < 224 && !link_local;
  }
  const bool low = all_zero(used(address).first(15)) && bytes[15] <= 1;
  const bool link_local = bytes[0] == 0xFE && (bytes[1] & 0xC0U) == 0x80U;
  return !low && !link_local && bytes[0] != 0xFF;
}

bool is_reserved_in(const Cidr& network, const IpAddress& address) {
  const auto bits = static_cast<unsigned>(address.length * 8);
  if (!contains(network, address) || network.prefix + 1 >= bits) return false;
  return tail_is(address, network.prefix, 0) || (address.length == 4 && tail_is(address, network.prefix, 1));
}

}  // namespace imgbuild
