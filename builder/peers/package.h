#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "keys/certificate.h"
#include "recipe/environment.h"
#include "util/size.h"

namespace imgbuild {

inline constexpr ByteSize kMaxPackage = 32_KiB;

/// A peer package: what a machine says of itself to others, all of it public. One JSON object:
///
///   {"ssl_certificate": PEM, "ip_address": "192.168.50.6", "hostname": "prod-a1", "port": 5000, "version": 1}
///
/// 'port' and 'version' may be missing. Other keys, which older tools wrote, are dropped.
struct PeerPackage {
  std::string hostname;
  std::string ip_address;
  std::string certificate;  ///< PEM
  std::optional<unsigned> port;
  std::optional<unsigned> version;
  CertificateFacts facts;  ///< of the certificate
};

/// What a package must agree with.
struct PackageUse {
  std::string origin;  ///< for messages: "prod-a1", "prod-a1.pkg"
  const Environment& environment;
  std::string machine;  ///< whose it must be; empty: of any machine of the environment
  std::time_t now = 0;
};

/// Throws Error (bad input) "ORIGIN: …" unless 'text' is a package of that machine with an address that the environment
/// gives it, and a certificate that its peers can pin.
[[nodiscard]] PeerPackage read_package(std::string_view text, const PackageUse& use);

/// The package as one line of JSON, always the same for the same facts.
[[nodiscard]] std::string package_line(const PeerPackage& package);

}  // namespace imgbuild
