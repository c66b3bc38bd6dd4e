#include "keys/signature.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

#include "keys/openssl_handle.h"
#include "keys/private_file.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using Digester = std::unique_ptr<EVP_MD_CTX, openssl::Releaser<&EVP_MD_CTX_free>>;

void require_ed25519(const openssl::Key& key, const fs::path& file) {
  if (EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_ED25519) return;
  const char* type = EVP_PKEY_get0_type_name(key.get());
  throw Error(ExitCode::bad_input, "'{}': holds a key of type {}, signatures need ED25519", file.native(), type == nullptr ? "unknown" : type)
      .set_hint("openssl genpkey -algorithm ed25519 -out KEY.pem; openssl pkey -in KEY.pem -pubout -out KEY.pub.pem");
}

std::string id_of(const openssl::Key& key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  openssl::require(size > 0, "write a public key");
  const std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return sha256(bytes);
}

openssl::Key parse_public_key(const std::string& pem, const fs::path& file) {
  if (pem.find("PRIVATE KEY") != std::string::npos) {
    throw Error(ExitCode::bad_input, "'{}': holds a private key, trusted keys are public ones", file.native())
        .set_hint("openssl pkey -in KEY.pem -pubout -out KEY.pub.pem");
  }
  openssl::Key key(PEM_read_bio_PUBKEY(openssl::reader_of(pem).get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!key) throw Error(ExitCode::bad_input, "'{}': holds no public key in PEM form", file.native());
  require_ed25519(key, file);
  return key;
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

Ed25519Key::Ed25519Key(const fs::path& file) : file_(file) {
  const std::optional<Secret> pem = read_private_file(file);
  if (!pem) throw Error(ExitCode::bad_input, "'{}': there is no such file", file.native());
  pem_ = *pem;
  const openssl::Key key = openssl::parse_private_key(pem_.reveal(), fmt::format("'{}'", file.native()));
  require_ed25519(key, file);
  id_ = id_of(key);
}

std::string Ed25519Key::sign(std::string_view bytes) const {
  const openssl::Key key = openssl::parse_private_key(pem_.reveal(), file_.native());
  const Digester context(EVP_MD_CTX_new());
  openssl::require(context != nullptr && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1, "begin a signature");
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  openssl::require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes_of(bytes), bytes.size()) == 1, "sign");
  signature.resize(size);
  return signature;
}

std::vector<PublicKey> read_public_keys(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw Error(ExitCode::bad_input, "'{}': there is no such folder of trusted keys", folder.native());
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".pem") files.push_back(entry.path());
  }
  if (files.empty()) throw Error(ExitCode::bad_input, "'{}': holds no public key (*.pem)", folder.native());
  std::ranges::sort(files);
  std::vector<PublicKey> keys;
  for (const fs::path& file : files) {
    PublicKey key{.id = "", .pem = io::read_file(file, 64_KiB), .origin = file};
    key.id = id_of(parse_public_key(key.pem, file));
    const auto same = std::ranges::find(keys, key.id, &PublicKey::id);
    if (same != keys.end()) {
      throw Error(ExitCode::bad_input, "'{}': is the same key as '{}', which would count twice", file.native(), same->origin.native());
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

bool is_signed_by(const PublicKey& key, std::string_view bytes, std::string_view signature) {
  const openssl::Key parsed = parse_public_key(key.pem, key.origin);
  const Digester context(EVP_MD_CTX_new());
  openssl::require(context != nullptr && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, parsed.get()) == 1, "begin to check a signature");
  const bool is_good = EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(bytes), bytes.size()) == 1;
  ERR_clear_error();
  return is_good;
}

}  // namespace imgbuild
