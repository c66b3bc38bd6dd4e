#pragma once

#include <string>
#include <string_view>

namespace imgbuild {

/// The bytes of the first "PGP PUBLIC KEY BLOCK" in 'text', which is what gpgv can read as a keyring (it
/// knows no armour). Throws Error (verification failed) naming 'origin' if there is none or it is damaged.
[[nodiscard]] std::string dearmor_public_key(std::string_view text, std::string_view origin);

/// Refuses key material that is too weak to be believed: RSA below 2048 bits, and everything but RSA, ECDSA
/// and EdDSA. 'packets' is a binary key (RFC 4880 sections 4.2, 5.5.2). Throws Error (verification failed)
/// naming 'origin'.
void require_strong_keys(std::string_view packets, std::string_view origin);

}  // namespace imgbuild
