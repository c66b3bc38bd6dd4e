#include "keys/private_key.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <array>
#include <string_view>
#include <utility>

#include "keys/openssl_handle.h"

namespace imgbuild {

namespace {

openssl::Key generate(KeyType type) {
  switch (type) {
    case KeyType::rsa_4096:
      return openssl::Key(EVP_RSA_gen(4096));
    case KeyType::rsa_3072:
      return openssl::Key(EVP_RSA_gen(3072));
    case KeyType::ec_p256:
      return openssl::Key(EVP_EC_gen("P-256"));
    case KeyType::ed25519:
      return openssl::Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  }
  return nullptr;
}

}  // namespace

Secret make_private_key(KeyType type) {
  const openssl::Key key = generate(type);
  openssl::require(key != nullptr, "make a private key");
  const openssl::Bio bio = openssl::secret_writer();
  openssl::require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
                   "write a private key");
  return Secret(openssl::written(bio));
}

Secret make_password(std::size_t length) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::size_t kFair = 256 - 256 % kAlphabet.size();  // larger bytes would favour the first letters
  std::string password;
  password.reserve(length);
  std::array<unsigned char, 64> random{};
  while (password.size() < length) {
    openssl::require(RAND_priv_bytes(random.data(), static_cast<int>(random.size())) == 1, "get random bytes");
    for (const unsigned char byte : random) {
      if (byte < kFair && password.size() < length) password += kAlphabet[byte % kAlphabet.size()];
    }
  }
  OPENSSL_cleanse(random.data(), random.size());
  return Secret(std::move(password));
}

}  // namespace imgbuild
