#include "keys/peer_certificate.h"

#include <fmt/chrono.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

#include "keys/openssl_handle.h"
#include "util/error.h"
#include "util/problems.h"

namespace imgbuild {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----\n";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
constexpr int kLeastRsaBits = 2048;
constexpr int kLeastEcBits = 256;
constexpr int kLeastSecurityBits = 112;  // of the signature: SHA-224 and more; SHA-1 has at most 80

/// Readers of PEM skip what is around the blocks, and not all skip the same.
void check_form(const std::string& pem, const std::string& origin) {
  if (pem.find("PRIVATE KEY-----") != std::string::npos) {
    throw Error(ExitCode::bad_input, "{}: holds a private key, which must never leave its machine", origin)
        .set_hint("have new keys made in that machine: this one is known to others now");
  }
  std::string_view rest = pem;
  while (rest.ends_with('\n')) rest.remove_suffix(1);
  if (rest.starts_with(kBegin) && rest.ends_with(kEnd) && rest.find("-----BEGIN", 1) != std::string::npos) {
    throw Error(ExitCode::bad_input, "{}: holds more than one certificate", origin);
  }
  if (!rest.starts_with(kBegin) || rest.find("-----END") != rest.size() - kEnd.size()) {
    throw Error(ExitCode::bad_input, "{}: must be one certificate in PEM form and nothing else", origin);
  }
}

void check_strength(const std::string& pem, const std::string& origin) {
  const openssl::Bio bio = openssl::reader_of(pem);
  const openssl::X509Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  openssl::require(certificate != nullptr, "read a certificate");
  const EVP_PKEY* key = X509_get0_pubkey(certificate.get());
  const int bits = key == nullptr ? 0 : EVP_PKEY_get_bits(key);
  const bool is_rsa = key != nullptr && EVP_PKEY_is_a(key, "RSA") == 1;
  const bool is_ec = key != nullptr && EVP_PKEY_is_a(key, "EC") == 1;
  if (!(is_rsa && bits >= kLeastRsaBits) && !(is_ec && bits >= kLeastEcBits)) {
    const char* kind = key == nullptr ? "unknown" : EVP_PKEY_get0_type_name(key);
    throw Error(ExitCode::bad_input, "{}: must have an RSA key from {} bits or an EC key from {} bits, has {} of {} bits", origin,
                kLeastRsaBits, kLeastEcBits, kind == nullptr ? "unknown" : kind, bits);
  }
  int security = 0;
  const bool is_known = X509_get_signature_info(certificate.get(), nullptr, nullptr, &security, nullptr) == 1;
  ERR_clear_error();
  if (!is_known || security < kLeastSecurityBits) {
    throw Error(ExitCode::bad_input, "{}: must be signed with SHA-256 or better", origin);
  }
}

std::string day_of(std::time_t time) { return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(time)); }

std::string names_text(const CertificateFacts& facts) {
  if (facts.dns_names.empty()) return "nobody";
  std::vector<std::string> names;
  for (const std::string& name : facts.dns_names) names.push_back(shown(name));
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

CertificateFacts check_peer_certificate(const std::string& pem, const PeerCertificateUse& use) {
  check_form(pem, use.origin);
  const CertificateFacts facts = read_certificate(pem, use.origin);
  if (facts.authority == CertificateFacts::Authority::yes) {
    throw Error(ExitCode::bad_input, "{}: may sign others (CA:TRUE), which lets its owner make peers", use.origin);
  }
  if (use.now > facts.not_after) throw Error(ExitCode::bad_input, "{}: expired on {}", use.origin, day_of(facts.not_after));
  if (use.now < facts.not_before) {
    throw Error(ExitCode::bad_input, "{}: is not valid before {}, and this host's clock says {}", use.origin,
                day_of(facts.not_before), day_of(use.now));
  }
  if (std::ranges::find(facts.dns_names, use.name) == facts.dns_names.end()) {
    throw Error(ExitCode::bad_input, "{}: must be for '{}', is for {}", use.origin, use.name, names_text(facts));
  }
  check_strength(pem, use.origin);
  return facts;
}

}  // namespace imgbuild
