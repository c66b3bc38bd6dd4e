#include "util/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <vector>

#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> md{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

namespace {

void require(int result) {
  if (result != 1) throw Error(ExitCode::host_unfit, "OpenSSL has no working SHA-256");
}

}  // namespace

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  require(EVP_DigestInit_ex(context_->md.get(), EVP_sha256(), nullptr));
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  require(EVP_DigestUpdate(context_->md.get(), bytes.data(), bytes.size()));
}

void Sha256::update_field(std::string_view bytes) {
  update(fmt::format("{}:", bytes.size()));
  update(bytes);
}

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(context_->md.get(), digest, &size));
  return to_hex({reinterpret_cast<const char*>(digest), size});
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

std::string sha256_bytes(std::string_view bytes) {
  std::string digest(32, '\0');
  require(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(), nullptr));
  return digest;
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string digest(32, '\0');
  const unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
                                   bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  require(made == nullptr ? 0 : 1);
  return digest;
}

std::string sha256_file(const fs::path& path) {
  const io::File file = io::open_for_reading(path);
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (const std::size_t size = io::read(file, buffer.data(), buffer.size())) {
    check_interrupt();
    hash.update({buffer.data(), size});
  }
  return hash.hex();
}

bool is_python_cache(const fs::path& path) {
  return std::find(path.begin(), path.end(), "__pycache__") != path.end();
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string to_hex(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string to_base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

}  // namespace imgbuild
