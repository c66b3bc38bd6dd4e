#include "keys/certificate.h"

#include <fmt/chrono.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

#include "keys/openssl_handle.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {

namespace {

using openssl::require;

constexpr long kBackDated = 24 * 60 * 60;  // seconds
constexpr int kLifetime = 3650;            // days, as the predecessors' certificates
constexpr std::size_t kMaxCommonName = 64;  // RFC 5280, ub-common-name
constexpr int kSerialBits = 159;            // positive and at most 20 bytes: RFC 5280 4.1.2.2

void set_serial(X509* certificate) {
  const openssl::BigNumber number(BN_new());
  require(number && BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr,
          "make a serial number");
}

void set_validity(X509* certificate, std::time_t now) {
  std::time_t start = now - kBackDated;
  require(X509_time_adj_ex(X509_getm_notBefore(certificate), 0, 0, &start) != nullptr &&
              X509_time_adj_ex(X509_getm_notAfter(certificate), kLifetime, 0, &start) != nullptr,
          "set a certificate's validity");
}

void set_names(X509* certificate, const std::string& name) {
  const std::string common_name = name.substr(0, kMaxCommonName);
  X509_NAME* subject = X509_get_subject_name(certificate);
  require(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(common_name.data()),
                                     static_cast<int>(common_name.size()), -1, 0) == 1 &&
              X509_set_issuer_name(certificate, subject) == 1,
          "set a certificate's subject");
}

/// Added as structures: the text form of extensions would take commas in a name for syntax.
void add_alternative_names(X509* certificate, const std::vector<std::string>& names) {
  const openssl::GeneralNames list(GENERAL_NAMES_new());
  require(list != nullptr, "make a certificate");
  for (const std::string& name : names) {
    openssl::GeneralName item(GENERAL_NAME_new());
    openssl::Ia5String text(ASN1_IA5STRING_new());
    require(item && text && ASN1_STRING_set(text.get(), name.data(), static_cast<int>(name.size())) == 1,
            "make a certificate's names");
    GENERAL_NAME_set0_value(item.get(), GEN_DNS, text.release());
    require(sk_GENERAL_NAME_push(list.get(), item.get()) > 0, "make a certificate's names");
    (void)item.release();  // the list owns it now
  }
  require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, X509V3_ADD_APPEND) == 1,
          "add a certificate's names");
}

void add_extension(X509* certificate, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const openssl::Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "add a certificate's extension");
}

openssl::X509Certificate parse(const std::string& pem, const std::string& origin) {
  const openssl::Bio bio = openssl::reader_of(pem);
  openssl::X509Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!certificate) throw Error(ExitCode::bad_input, "{}: holds no certificate in PEM form", origin);
  const openssl::X509Certificate second(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (second) throw Error(ExitCode::bad_input, "{}: holds more than one certificate", origin);
  return certificate;
}

std::string fingerprint_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  require(size > 0, "read a certificate");
  const std::string fingerprint = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return fingerprint;
}

std::string common_name_of(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return {};
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::vector<std::string> dns_names_of(X509* certificate) {
  const openssl::GeneralNames list(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> names;
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* item = sk_GENERAL_NAME_value(list.get(), i);
    if (item->type != GEN_DNS) continue;
    names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(item->d.dNSName)),
                       static_cast<std::size_t>(ASN1_STRING_length(item->d.dNSName)));
  }
  return names;
}

std::time_t seconds_of(const ASN1_TIME* time, const std::string& origin) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) throw Error(ExitCode::bad_input, "{}: has no readable validity", origin);
  return ::timegm(&parts);
}

std::string day_of(std::time_t time) { return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(time)); }

CertificateFacts facts_of(X509* certificate, const std::string& origin) {
  using Authority = CertificateFacts::Authority;
  return {.fingerprint = fingerprint_of(certificate),
          .common_name = common_name_of(certificate),
          .dns_names = dns_names_of(certificate),
          .not_before = seconds_of(X509_get0_notBefore(certificate), origin),
          .not_after = seconds_of(X509_get0_notAfter(certificate), origin),
          .authority = X509_check_ca(certificate) != 0 ? Authority::yes : Authority::no};
}

void check_validity(const CertificateFacts& facts, const PairUse& use) {
  if (use.now > facts.not_after) {
    throw Error(ExitCode::bad_input, "{}: the certificate expired on {}", use.certificate_origin, day_of(facts.not_after));
  }
  if (use.now < facts.not_before) {
    throw Error(ExitCode::bad_input, "{}: the certificate is not valid before {}, and this host's clock says {}",
                use.certificate_origin, day_of(facts.not_before), day_of(use.now))
        .set_hint("set the clock of this host");
  }
}

void check_names(const CertificateFacts& facts, const PairUse& use) {
  std::vector<std::string> has = facts.dns_names;
  std::vector<std::string> needs = use.dns_names;
  std::sort(has.begin(), has.end());
  std::sort(needs.begin(), needs.end());
  if (has != needs) {
    throw Error(ExitCode::bad_input, "{}: the certificate is for '{}', but must be for '{}'", use.certificate_origin,
                fmt::join(facts.dns_names, ", "), fmt::join(use.dns_names, ", "));
  }
}

}  // namespace

std::string make_certificate(const Secret& key_pem, const CertificateRequest& request) {
  if (request.dns_names.empty()) throw Error(ExitCode::bad_input, "a certificate needs at least one name");
  const openssl::Key key = openssl::parse_private_key(key_pem.reveal(), "key of a new certificate");
  const openssl::X509Certificate certificate(X509_new());
  require(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
              X509_set_pubkey(certificate.get(), key.get()) == 1,
          "make a certificate");
  set_serial(certificate.get());
  set_validity(certificate.get(), request.now);
  set_names(certificate.get(), request.dns_names.front());
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  const bool is_rsa = EVP_PKEY_is_a(key.get(), "RSA") == 1;  // the others can't encipher keys: RFC 8813, section 3
  add_extension(certificate.get(), NID_key_usage,
                is_rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature");
  add_extension(certificate.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(certificate.get(), NID_subject_key_identifier, "hash");
  add_alternative_names(certificate.get(), request.dns_names);
  const bool signs_alone = EVP_PKEY_is_a(key.get(), "ED25519") == 1;  // Ed25519 brings its own hash
  require(X509_sign(certificate.get(), key.get(), signs_alone ? nullptr : EVP_sha256()) > 0, "sign a certificate");
  const openssl::Bio bio = openssl::secret_writer();
  require(PEM_write_bio_X509(bio.get(), certificate.get()) == 1, "write a certificate");
  return openssl::written(bio);
}

CertificateFacts read_certificate(const std::string& pem, const std::string& origin) {
  const openssl::X509Certificate certificate = parse(pem, origin);
  return facts_of(certificate.get(), origin);
}

void check_pair(const TlsPair& pair, const PairUse& use) {
  const openssl::Key key = openssl::parse_private_key(pair.key.reveal(), use.key_origin);
  const openssl::X509Certificate certificate = parse(pair.certificate, use.certificate_origin);
  const bool belongs = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!belongs) {
    throw Error(ExitCode::bad_input, "{}: is not the key of the certificate in '{}'", use.key_origin,
                use.certificate_origin);
  }
  const CertificateFacts facts = facts_of(certificate.get(), use.certificate_origin);
  if (facts.authority == CertificateFacts::Authority::yes) {
    throw Error(ExitCode::bad_input, "{}: the certificate may sign others (CA:TRUE), which lets its owner impersonate peers",
                use.certificate_origin);
  }
  check_validity(facts, use);
  check_names(facts, use);
}

}  // namespace imgbuild
