#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

/// Owners of OpenSSL's objects, for the source files of this folder only. Nothing of OpenSSL appears in a public header.
namespace imgbuild::openssl {

/// Calls 'Release' on what a handle held.
template <auto Release>
struct Releaser {
  template <typename T>
  void operator()(T* object) const {
    (void)Release(object);  // OpenSSL's release functions report nothing of use
  }
};

using Bio = std::unique_ptr<BIO, Releaser<&BIO_free>>;
using BigNumber = std::unique_ptr<BIGNUM, Releaser<&BN_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Releaser<&X509_EXTENSION_free>>;
using GeneralName = std::unique_ptr<GENERAL_NAME, Releaser<&GENERAL_NAME_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, Releaser<&GENERAL_NAMES_free>>;
using Ia5String = std::unique_ptr<ASN1_IA5STRING, Releaser<&ASN1_IA5STRING_free>>;
using Key = std::unique_ptr<EVP_PKEY, Releaser<&EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Releaser<&EVP_PKEY_CTX_free>>;
using X509Certificate = std::unique_ptr<X509, Releaser<&X509_free>>;

/// Throws Error "cannot WHAT: REASON OF OPENSSL" unless 'succeeded', and empties OpenSSL's error queue.
void require(bool succeeded, std::string_view what);

/// A reader over 'text', which must outlive it.
[[nodiscard]] Bio reader_of(std::string_view text);
/// A writer into memory that OpenSSL overwrites when it goes.
[[nodiscard]] Bio secret_writer();
/// What was written so far.
[[nodiscard]] std::string written(const Bio& bio);

/// Throws Error (bad input) "ORIGIN: …" if 'pem' holds no unencrypted private key. Never asks on the terminal.
[[nodiscard]] Key parse_private_key(const std::string& pem, const std::string& origin);

}  // namespace imgbuild::openssl
