#include "recipe/address.h"

#include <gtest/gtest.h>

namespace imgbuild {
namespace {

TEST(IpAddress, IsFormattedInCanonicalForm) {
  EXPECT_EQ(format_ip(parse_ip("192.168.50.4").value()), "192.168.50.4");
  EXPECT_EQ(format_ip(parse_ip("FD00:0:0:0:0:0:0:4").value()), "fd00::4");
}

TEST(IpAddress, IsRefusedInFormsThatProgramsReadDifferently) {
  for (const char* text : {"", "1.2.3", "1.2.3.04", "0x1.2.3.4", "1.2.3.4.5", "1.2.3.256", " 1.2.3.4",
                           "1.2.3.4 ", "::ffff:1.2.3.4", "::1.2.3.4", "fe80::1%eth0", "1::2::3", "12345::"})
    EXPECT_FALSE(parse_ip(text).has_value()) << text;
  EXPECT_FALSE(parse_ip(std::string_view("1.2.3.4\0x", 9)).has_value());
}

TEST(IpAddress, KnowsWhichOnesAMachineCanHave) {
  for (const char* text : {"10.0.2.15", "203.0.113.4", "fd00::4", "2001:db8::1"})
    EXPECT_TRUE(is_host_address(parse_ip(text).value())) << text;
  for (const char* text : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.169.254", "224.0.0.1",
                           "255.255.255.255", "::", "::1", "fe80::1", "febf::1", "ff02::1"})
    EXPECT_FALSE(is_host_address(parse_ip(text).value())) << text;
}

TEST(Cidr, IsReadWithoutHostBits) {
  EXPECT_EQ(format_cidr(parse_cidr("10.0.2.0/24").value()), "10.0.2.0/24");
  EXPECT_EQ(format_cidr(parse_cidr("10.0.2.15/32").value()), "10.0.2.15/32");
  EXPECT_EQ(format_cidr(parse_cidr("FD00::/8").value()), "fd00::/8");
}

TEST(Cidr, IsRefusedWithHostBitsOrBadPrefix) {
  for (const char* text : {"10.0.2.1/24", "10.0.2.0", "10.0.2.0/", "10.0.2.0/33", "0.0.0.0/0", "::/0",
                           "10.0.0.0/08", "10.0.0.0/-8", "10.0.0.0/8 ", "fd00::/129", "/24",
                           "10.0.0.0/255.0.0.0", "10.0.0.0/99999999999999999999"})
    EXPECT_FALSE(parse_cidr(text).has_value()) << text;
}

TEST(Cidr, ContainsAddressesOfItsFamilyOnly) {
  const Cidr network = parse_cidr("10.0.2.0/23").value();
  EXPECT_TRUE(contains(network, parse_ip("10.0.3.255").value()));
  EXPECT_FALSE(contains(network, parse_ip("10.0.4.0").value()));
  EXPECT_FALSE(contains(network, parse_ip("fd00::1").value()));
}

TEST(Cidr, ReservesNetworkAndBroadcastAddress) {
  const Cidr network = parse_cidr("10.0.2.0/24").value();
  EXPECT_TRUE(is_reserved_in(network, parse_ip("10.0.2.0").value()));
  EXPECT_TRUE(is_reserved_in(network, parse_ip("10.0.2.255").value()));
  EXPECT_FALSE(is_reserved_in(network, parse_ip("10.0.2.1").value()));
  EXPECT_FALSE(is_reserved_in(parse_cidr("10.0.2.0/31").value(), parse_ip("10.0.2.0").value()));
  EXPECT_TRUE(is_reserved_in(parse_cidr("fd00::/64").value(), parse_ip("fd00::").value()));
  EXPECT_FALSE(
      is_reserved_in(parse_cidr("fd00::/64").value(), parse_ip("fd00::ffff:ffff:ffff:ffff").value()));
}

}  // namespace
}  // namespace imgbuild
