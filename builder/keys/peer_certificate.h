#pragma once

#include <ctime>
#include <string>

#include "keys/certificate.h"

namespace imgbuild {

/// What a certificate that a machine shows to its peers is checked against.
struct PeerCertificateUse {
  std::string origin;  ///< for messages
  std::string name;    ///< the machine; must be in the SAN
  std::time_t now = 0;
};

/// What a certificate from another machine says. Throws Error (bad input) "ORIGIN: …" unless 'pem' is one certificate in PEM
/// form and nothing else, a leaf (CA:FALSE), valid now, for the machine, with a key (RSA from 2048 bits or ECDSA) and a
/// signature (SHA-256 or better) that are strong enough to be pinned. The machine itself checks more when it installs it.
[[nodiscard]] CertificateFacts check_peer_certificate(const std::string& pem, const PeerCertificateUse& use);

}  // namespace imgbuild
