#pragma once

#include "util/secret.h"

namespace imgbuild {

/// RSA for the machines' certificates: the peers' older software knows nothing newer. The rest is for speed and tests.
enum class KeyType { rsa_4096, rsa_3072, ec_p256, ed25519 };

/// A new private key, PKCS #8 in PEM form, unencrypted. Throws Error if OpenSSL fails.
[[nodiscard]] Secret make_private_key(KeyType type);

/// 'length' characters of A-Z a-z 0-9, each equally likely (5.95 bits a character: 40 give 238 bits). Safe to put into
/// any configuration file without quoting. Throws Error if there is no randomness.
[[nodiscard]] Secret make_password(std::size_t length = 40);

}  // namespace imgbuild
