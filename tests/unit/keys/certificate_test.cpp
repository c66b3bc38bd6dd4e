#include "keys/certificate.h"

#include <gtest/gtest.h>

#include "complaint.h"
#include "keys/private_key.h"
#include "util/command.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr std::time_t kNow = 1'780'000'000;  // 2026-05-28 20:26:40 UTC
constexpr std::time_t kDay = 86'400;

const std::vector<std::string> kNames{"prod-s1", "vote.example.org"};

TlsPair make_pair_at(std::time_t now, KeyType type = KeyType::ec_p256) {
  TlsPair pair{.key = make_private_key(type)};
  pair.certificate = make_certificate(pair.key, {.dns_names = kNames, .now = now});
  return pair;
}

PairUse use_at(std::time_t now) {
  return {.key_origin = "tls.key", .certificate_origin = "tls.crt", .dns_names = kNames, .now = now};
}

std::string check(const TlsPair& pair, const PairUse& use) {
  return complaint_of([&] { check_pair(pair, use); });
}

class CertificateFile : public ::testing::Test {
 protected:
  CertificateFile() { io::write_file(path_, make_pair_at(std::time(nullptr)).certificate, 0644); }

  std::string openssl(std::vector<std::string> arguments) {
    SystemCommandRunner runner;
    return run_checked(runner, {.program = "openssl", .arguments = std::move(arguments)}).out;
  }
  std::string text() { return openssl({"x509", "-noout", "-text", "-in", path_}); }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "certificate-test"};
  fs::path path_ = folder_.path() / "cert.pem";
};

TEST_F(CertificateFile, IsTrustedByOpensslAsItsOwnAnchor) {
  for (const char* purpose : {"sslserver", "sslclient"}) {
    EXPECT_EQ(openssl({"verify", "-x509_strict", "-purpose", purpose, "-CAfile", path_, path_}),
              path_.native() + ": OK\n");
  }
}

TEST_F(CertificateFile, IsForItsNamesOnly) {
  const auto check_host = [&](const char* name) { return openssl({"x509", "-noout", "-in", path_, "-checkhost", name}); };
  EXPECT_EQ(check_host("prod-s1"), "Hostname prod-s1 does match certificate\n");
  EXPECT_EQ(check_host("vote.example.org"), "Hostname vote.example.org does match certificate\n");
  EXPECT_EQ(check_host("prod-s2"), "Hostname prod-s2 does NOT match certificate\n");
}

TEST_F(CertificateFile, IsALeafForServersAndClients) {
  const std::string said = text();
  EXPECT_NE(said.find("X509v3 Basic Constraints: critical\n                CA:FALSE\n"), std::string::npos) << said;
  EXPECT_NE(said.find("TLS Web Server Authentication, TLS Web Client Authentication"), std::string::npos);
  EXPECT_NE(said.find("Key Usage: critical\n                Digital Signature\n"), std::string::npos);
  EXPECT_NE(said.find("Signature Algorithm: ecdsa-with-SHA256"), std::string::npos);
}

TEST_F(CertificateFile, OfAnRsaKeyMayEncipherKeysToo) {
  io::write_file(path_, make_pair_at(std::time(nullptr), KeyType::rsa_3072).certificate, 0644);
  const std::string said = text();
  EXPECT_NE(said.find("Key Usage: critical\n                Digital Signature, Key Encipherment\n"), std::string::npos);
  EXPECT_NE(said.find("Signature Algorithm: sha256WithRSAEncryption"), std::string::npos);
}

TEST_F(CertificateFile, HasTheFingerprintThatOpensslGives) {
  std::string said = openssl({"x509", "-noout", "-fingerprint", "-sha256", "-in", path_});
  said = said.substr(said.find('=') + 1);
  std::string fingerprint;
  for (const char c : said) {
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) fingerprint += static_cast<char>(std::tolower(c));
  }
  EXPECT_EQ(read_certificate(io::read_file(path_), "cert").fingerprint, fingerprint);
}

TEST(Certificate, CannotSignAnother) {
  io::TemporaryDirectory folder(fs::temp_directory_path(), "certificate-test");
  const fs::path peer = folder.path() / "peer.pem";
  const fs::path key = folder.path() / "peer.key";
  const fs::path minted = folder.path() / "minted.pem";
  const fs::path request = folder.path() / "request.pem";
  const TlsPair pair = make_pair_at(std::time(nullptr));
  io::write_file(peer, pair.certificate, 0644);
  io::write_file(key, pair.key.reveal(), 0600);
  SystemCommandRunner runner;
  run_checked(runner, {.program = "openssl",
                       .arguments = {"req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", folder.path() / "k",
                                     "-subj", "/CN=victim", "-out", request}});
  run_checked(runner, {.program = "openssl",
                       .arguments = {"x509", "-req", "-in", request, "-CA", peer, "-CAkey", key, "-out", minted}});
  const CommandResult result =
      runner.run({.program = "openssl", .arguments = {"verify", "-CAfile", peer, minted}});
  EXPECT_FALSE(result.succeeded()) << result.out;
  EXPECT_NE((result.out + result.err).find("invalid CA certificate"), std::string::npos) << result.err;
}

TEST(Certificate, SaysItsNamesAndTimes) {
  const CertificateFacts facts = read_certificate(make_pair_at(kNow).certificate, "cert");
  EXPECT_EQ(facts.common_name, "prod-s1");
  EXPECT_EQ(facts.dns_names, kNames);
  EXPECT_EQ(facts.not_before, kNow - kDay);
  EXPECT_EQ(facts.not_after, kNow - kDay + 3650 * kDay);
  EXPECT_EQ(facts.authority, CertificateFacts::Authority::no);
}

TEST(Certificate, TakesEveryKindOfKey) {
  for (const KeyType type : {KeyType::rsa_3072, KeyType::ec_p256, KeyType::ed25519}) {
    EXPECT_NO_THROW(check_pair(make_pair_at(kNow, type), use_at(kNow)));
  }
}

TEST(Certificate, HasAnotherSerialNumberEachTime) {
  const Secret key = make_private_key(KeyType::ed25519);
  const CertificateRequest request{.dns_names = kNames, .now = kNow};
  EXPECT_NE(make_certificate(key, request), make_certificate(key, request));
}

TEST(Certificate, CutsALongCommonNameButNotTheAlternativeName) {
  const std::string name = std::string(60, 'a') + ".example.org";
  const Secret key = make_private_key(KeyType::ec_p256);
  const CertificateFacts facts = read_certificate(make_certificate(key, {.dns_names = {name}, .now = kNow}), "cert");
  EXPECT_EQ(facts.common_name, name.substr(0, 64));
  EXPECT_EQ(facts.dns_names, std::vector<std::string>{name});
}

TEST(Certificate, NeedsAName) {
  const Secret key = make_private_key(KeyType::ec_p256);
  EXPECT_EQ(complaint_of([&] { (void)make_certificate(key, {.now = kNow}); }), "a certificate needs at least one name");
}

TEST(Certificate, RefusesTextThatIsNone) {
  EXPECT_EQ(complaint_of([] { (void)read_certificate("hello", "peer.pem"); }),
            "peer.pem: holds no certificate in PEM form");
}

TEST(Certificate, RefusesSeveralInOneFile) {
  const std::string two = make_pair_at(kNow).certificate + make_pair_at(kNow).certificate;
  EXPECT_EQ(complaint_of([&] { (void)read_certificate(two, "peer.pem"); }), "peer.pem: holds more than one certificate");
}

TEST(CertificatePair, IsAcceptedFromTheDayBeforeToTheLastDay) {
  const TlsPair pair = make_pair_at(kNow);
  EXPECT_NO_THROW(check_pair(pair, use_at(kNow - kDay)));
  EXPECT_NO_THROW(check_pair(pair, use_at(kNow + 3649 * kDay)));
}

TEST(CertificatePair, IsRefusedWithTheKeyOfAnother) {
  TlsPair pair = make_pair_at(kNow);
  pair.key = make_private_key(KeyType::ec_p256);
  EXPECT_EQ(check(pair, use_at(kNow)), "tls.key: is not the key of the certificate in 'tls.crt'");
}

TEST(CertificatePair, IsRefusedWhenExpired) {
  EXPECT_EQ(check(make_pair_at(kNow), use_at(kNow + 3650 * kDay)),
            "tls.crt: the certificate expired on 2036-05-24 20:26 UTC");
}

TEST(CertificatePair, IsRefusedBeforeItsTime) {
  EXPECT_EQ(check(make_pair_at(kNow), use_at(kNow - 2 * kDay)),
            "tls.crt: the certificate is not valid before 2026-05-27 20:26 UTC, and this host's clock says 2026-05-26 "
            "20:26 UTC\nhint: set the clock of this host");
}

TEST(CertificatePair, IsRefusedForOtherNames) {
  PairUse use = use_at(kNow);
  use.dns_names = {"prod-s1", "new.example.org"};
  EXPECT_EQ(check(make_pair_at(kNow), use),
            "tls.crt: the certificate is for 'prod-s1, vote.example.org', but must be for 'prod-s1, new.example.org'");
}

TEST(CertificatePair, IsRefusedWhenItMaySignOthers) {
  io::TemporaryDirectory folder(fs::temp_directory_path(), "certificate-test");
  SystemCommandRunner runner;
  run_checked(runner, {.program = "openssl",
                       .arguments = {"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder.path() / "k",
                                     "-subj", "/CN=old", "-out", folder.path() / "c"}});
  const TlsPair pair{.key = Secret(io::read_file(folder.path() / "k")), .certificate = io::read_file(folder.path() / "c")};
  EXPECT_EQ(check(pair, use_at(std::time(nullptr))),
            "tls.crt: the certificate may sign others (CA:TRUE), which lets its owner impersonate peers");
}

TEST(CertificatePair, IsRefusedWithAnEncryptedKeyWithoutAskingForThePassPhrase) {
  SystemCommandRunner runner;
  TlsPair pair = make_pair_at(kNow);
  pair.key = Secret(run_checked(runner, {.program = "openssl",
                                         .arguments = {"pkcs8", "-topk8", "-passout", "pass:test"},
                                         .input = pair.key.reveal()})
                        .out);
  EXPECT_EQ(check(pair, use_at(kNow)),
            "tls.key: the private key is encrypted\nhint: remove its pass phrase: openssl pkey -in FILE -out NEW");
}

TEST(CertificatePair, IsRefusedWithoutAKey) {
  TlsPair pair = make_pair_at(kNow);
  pair.key = Secret("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
  EXPECT_EQ(check(pair, use_at(kNow)), "tls.key: holds no private key in PEM form");
}

}  // namespace
}  // namespace imgbuild
