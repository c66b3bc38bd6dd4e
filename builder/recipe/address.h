#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace imgbuild {

/// An IPv4 or IPv6 address.
struct IpAddress {
  std::array<unsigned char, 16> bytes{};  ///< in network order, unused ones 0
  std::size_t length = 4;                 ///< bytes: 4 or 16
  auto operator<=>(const IpAddress&) const = default;
};

/// A network: an address whose host bits are 0, and how many bits are fixed.
struct Cidr {
  IpAddress address;
  unsigned prefix = 0;  ///< 1…32 or 1…128
  bool operator==(const Cidr&) const = default;
};

/// Reads "192.168.50.4" or "fd00::4". No leading zeros, no IPv4 in IPv6, no zone.
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);
/// The canonical form (RFC 5952).
[[nodiscard]] std::string format_ip(const IpAddress& address);

/// Reads "192.168.50.0/24". Host bits and the prefix 0, which would mean everybody, are refused.
[[nodiscard]] std::optional<Cidr> parse_cidr(std::string_view text);
[[nodiscard]] std::string format_cidr(const Cidr& network);
[[nodiscard]] bool contains(const Cidr& network, const IpAddress& address);

/// True for addresses that one machine of a network can have: not unspecified, loopback, link-local,
/// multicast or broadcast.
[[nodiscard]] bool is_host_address(const IpAddress& address);
/// True for the first (the network itself) and, in IPv4, the last (broadcast) address of a network with more
/// than two.
[[nodiscard]] bool is_reserved_in(const Cidr& network, const IpAddress& address);

}  // namespace imgbuild
