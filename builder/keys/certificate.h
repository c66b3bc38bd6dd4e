#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "util/secret.h"

namespace imgbuild {

/// A certificate to make. Peers pin the exact certificate and compare host names with its SAN.
struct CertificateRequest {
  std::vector<std::string> dns_names;  ///< SAN, in this order; the first is the common name too (cut at 64 characters)
  std::time_t now = 0;                 ///< valid from 24 h before (peers' clocks differ) for 3650 days
};

/// A private key and its certificate, both in PEM form.
struct TlsPair {
  Secret key;
  std::string certificate;
};

/// What a certificate says.
struct CertificateFacts {
  std::string fingerprint;  ///< SHA-256 over the DER form, 64 hex digits
  std::string common_name;  ///< may be empty
  std::vector<std::string> dns_names;  ///< in the certificate's order
  std::time_t not_before = 0;
  std::time_t not_after = 0;
  enum class Authority { no, yes } authority = Authority::no;  ///< may sign other certificates
};

/// A self-signed leaf (CA:FALSE, for TLS servers and clients, SHA-256, random serial) in PEM form. Throws Error if 'key'
/// is no private key or there is no name.
[[nodiscard]] std::string make_certificate(const Secret& key, const CertificateRequest& request);

/// Throws Error (bad input) "ORIGIN: …" unless 'pem' is exactly one certificate.
[[nodiscard]] CertificateFacts read_certificate(const std::string& pem, const std::string& origin);

/// Where a pair came from and what it is to be used for.
struct PairUse {
  std::string key_origin;          ///< for messages: the key's file
  std::string certificate_origin;  ///< for messages: the certificate's file
  std::vector<std::string> dns_names;  ///< which the SAN must be, in any order
  std::time_t now = 0;
};

/// Throws Error (bad input) unless the key belongs to the certificate, and that is a leaf, valid now, for these names.
void check_pair(const TlsPair& pair, const PairUse& use);

}  // namespace imgbuild
