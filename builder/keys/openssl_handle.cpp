#include "keys/openssl_handle.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "util/error.h"

namespace imgbuild::openssl {

void require(bool succeeded, std::string_view what) {
  if (succeeded) return;
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  throw Error(ExitCode::step_failed, "cannot {}: {}", what, reason ? reason : "OpenSSL gives no reason");
}

Bio reader_of(std::string_view text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  require(bio != nullptr, "read from memory");
  return bio;
}

Bio secret_writer() {
  Bio bio(BIO_new(BIO_s_secmem()));
  require(bio != nullptr, "write to memory");
  return bio;
}

std::string written(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

namespace {

/// OpenSSL's default asks for the pass phrase on the terminal.
int give_no_password(char*, int, int, void*) { return -1; }

}  // namespace

Key parse_private_key(const std::string& pem, const std::string& origin) {
  if (pem.find("ENCRYPTED") != std::string::npos) {
    throw Error(ExitCode::bad_input, "{}: the private key is encrypted", origin)
        .set_hint("remove its pass phrase: openssl pkey -in FILE -out NEW");
  }
  Key key(PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, &give_no_password, nullptr));
  ERR_clear_error();
  if (!key) throw Error(ExitCode::bad_input, "{}: holds no private key in PEM form", origin);
  return key;
}

}  // namespace imgbuild::openssl
