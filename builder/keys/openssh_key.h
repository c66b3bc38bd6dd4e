#pragma once

#include <string>

#include "util/secret.h"

namespace imgbuild {

/// An ssh key as two files.
struct SshKeyPair {
  Secret private_key;      ///< openssh-key-v1, unencrypted, Ed25519
  std::string public_key;  ///< one line "ssh-ed25519 BASE64 COMMENT" without newline
};

/// A new Ed25519 key. 'comment' is one line and may be empty. Throws Error if OpenSSL fails.
[[nodiscard]] SshKeyPair make_ssh_key(const std::string& comment);

/// The public line that belongs to a private key file, so that the two can be compared. Throws Error (bad input)
/// "ORIGIN: …" unless it is an unencrypted Ed25519 key in openssh-key-v1 form, whole and consistent.
[[nodiscard]] std::string public_line_of(const Secret& private_key, const std::string& origin);

}  // namespace imgbuild
