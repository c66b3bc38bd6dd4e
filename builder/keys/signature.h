#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "util/secret.h"

/// Ed25519 signatures (RFC 8032) of files that are handed out. `openssl pkeyutl -rawin` makes and checks the same ones.
namespace imgbuild {

/// Half of a key pair that everybody may know.
struct PublicKey {
  std::string id;                ///< SHA-256 of the key in DER form (SubjectPublicKeyInfo)
  std::string pem;
  std::filesystem::path origin;  ///< file it came from
};

/// A private key that signs. It is never shown.
class Ed25519Key {
 public:
  /// Reads PEM, unencrypted. Throws Error (bad input) if the file is open to others, holds no private key or another than Ed25519.
  explicit Ed25519Key(const std::filesystem::path& file);

  [[nodiscard]] const std::string& id() const { return id_; }
  /// 64 bytes.
  [[nodiscard]] std::string sign(std::string_view bytes) const;

 private:
  std::filesystem::path file_;
  Secret pem_;
  std::string id_;
};

/// The keys of all *.pem files in a folder, by name of file. Throws Error (bad input) if there are none, or one holds anything but an
/// Ed25519 public key, or two the same.
[[nodiscard]] std::vector<PublicKey> read_public_keys(const std::filesystem::path& folder);

/// True if 'signature' is the key's over 'bytes'.
[[nodiscard]] bool is_signed_by(const PublicKey& key, std::string_view bytes, std::string_view signature);

}  // namespace imgbuild
