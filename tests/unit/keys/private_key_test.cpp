#include "keys/private_key.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "util/command.h"
#include "util/io.h"

namespace imgbuild {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What `openssl pkey` says of a key: "Private-Key: (4096 bit, 2 primes)", "ASN1 OID: prime256v1" …
std::string described_by_openssl(const Secret& key) {
  SystemCommandRunner runner;
  return run_checked(runner, {.program = "openssl", .arguments = {"pkey", "-noout", "-text"}, .input = key.reveal()}).out;
}

TEST(PrivateKey, RsaHasTheLengthAskedFor) {
  EXPECT_NE(described_by_openssl(make_private_key(KeyType::rsa_4096)).find("(4096 bit, 2 primes)"), std::string::npos);
  EXPECT_NE(described_by_openssl(make_private_key(KeyType::rsa_3072)).find("(3072 bit, 2 primes)"), std::string::npos);
}

TEST(PrivateKey, EllipticCurveIsP256) {
  EXPECT_NE(described_by_openssl(make_private_key(KeyType::ec_p256)).find("prime256v1"), std::string::npos);
}

TEST(PrivateKey, Ed25519IsEd25519) {
  EXPECT_NE(described_by_openssl(make_private_key(KeyType::ed25519)).find("ED25519"), std::string::npos);
}

TEST(PrivateKey, IsInTheFormEverySoftwareReads) {
  EXPECT_TRUE(make_private_key(KeyType::ec_p256).reveal().starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

TEST(Password, HasFortyLettersAndDigits) {
  const Secret password = make_password();
  EXPECT_EQ(password.reveal().size(), 40U);
  EXPECT_EQ(password.reveal().find_first_not_of(kAlphabet), std::string::npos);
}

TEST(Password, IsNewEachTime) {
  std::set<std::string> passwords;
  for (int i = 0; i < 1000; ++i) passwords.insert(make_password().reveal());
  EXPECT_EQ(passwords.size(), 1000U);
}

TEST(Password, TakesEachCharacterEquallyOften) {
  constexpr std::size_t kSample = 620'000;
  std::map<char, double> counts;
  const Secret sample = make_password(kSample);
  for (const char c : sample.reveal()) ++counts[c];
  const double expected = static_cast<double>(kSample) / static_cast<double>(kAlphabet.size());
  double chi_square = 0;
  for (const char c : kAlphabet) chi_square += std::pow(counts[c] - expected, 2) / expected;
  // 61 degrees of freedom: over 150 comes once in 10^9 runs; byte modulo 62 would give over 2,000.
  EXPECT_LT(chi_square, 150.0);
}

}  // namespace
}  // namespace imgbuild
