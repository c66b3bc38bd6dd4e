#include "base/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/keys/ubuntu_cloudimage.h"
#include "base/openpgp_key.h"
#include "unit/base/signing_keys.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {

const std::string kText = "{\n  \"format\": \"products:1.0\"\n}\n";

/// Verifies in a folder of its own; the text or the error's message, with the pinned key as PINNED.
std::string verdict(const std::string& document, TestKey pinned = TestKey::good) {
  const io::TemporaryDirectory folder(testing::TempDir(), "verify");
  SystemCommandRunner runner;
  const SigningKey& key = public_key(pinned);
  std::string message;
  try {
    return SignatureVerifier(key, folder.path(), runner).clear_signed(document, "index").text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::verification_failed);
    message = error.describe();
  }
  if (const std::size_t at = message.find(key.fingerprint); at != std::string::npos)
    message.replace(at, 40, "PINNED");
  return message;
}

std::string detached_verdict(const std::string& data, const std::string& signature) {
  const io::TemporaryDirectory folder(testing::TempDir(), "verify");
  SystemCommandRunner runner;
  try {
    return SignatureVerifier(public_key(TestKey::good), folder.path(), runner)
        .detached(data, signature, "sums")
        .signer;
  } catch (const Error& error) {
    return error.describe();
  }
}

TEST(Signature, OfAGoodKeyGivesTheSignedText) { EXPECT_EQ(verdict(clear_sign(kText)), kText); }

TEST(Signature, OfAnRsaKeyGivesTheSignedText) {
  EXPECT_EQ(verdict(clear_sign(kText, {.key = TestKey::rsa}), TestKey::rsa), kText);
}

TEST(Signature, TellsWhoMadeItAndWhen) {
  const io::TemporaryDirectory folder(testing::TempDir(), "verify");
  SystemCommandRunner runner;
  const SignatureVerifier verifier(public_key(TestKey::good), folder.path(), runner);
  const Signature signature =
      verifier.clear_signed(clear_sign(kText, {.time = "20200101T000000"}), "index").signature;
  EXPECT_EQ(signature.signer, public_key(TestKey::good).fingerprint);
  EXPECT_EQ(signature.made.time_since_epoch().count(), 1577836800);
}

TEST(Signature, NeverGivesLinesOutsideTheSignedPart) {
  EXPECT_EQ(verdict("before\n" + clear_sign(kText) + "after\n"), kText);
}

TEST(Signature, RefusesAChangedText) {
  std::string document = clear_sign(kText);
  document.replace(document.find("1.0"), 3, "1.1");
  EXPECT_EQ(verdict(document), "index: its signature is wrong: it is not what was signed");
}

TEST(Signature, RefusesAnExpiredKey) {
  EXPECT_EQ(
      verdict(clear_sign(kText, {.key = TestKey::expired, .time = "20150601T000000"}), TestKey::expired),
      "index: it is signed by a key that has expired");
}

TEST(Signature, RefusesARevokedKey) {
  EXPECT_EQ(verdict(clear_sign(kText, {.key = TestKey::revoked}), TestKey::revoked),
            "index: it is signed by a key that has been revoked");
}

TEST(Signature, RefusesAForeignKey) {
  const std::string foreign = public_key(TestKey::foreign).fingerprint;
  EXPECT_EQ(verdict(clear_sign(kText, {.key = TestKey::foreign})),
            "index: it is signed by the foreign key '" + foreign.substr(24) + "', not by 'PINNED'");
}

TEST(Signature, RefusesAKeyThatIsInTheRingButNotPinned) {
  SigningKey key = public_key(TestKey::foreign);
  key.fingerprint = public_key(TestKey::good).fingerprint;
  const io::TemporaryDirectory folder(testing::TempDir(), "verify");
  SystemCommandRunner runner;
  const SignatureVerifier verifier(key, folder.path(), runner);
  try {
    (void)verifier.clear_signed(clear_sign(kText, {.key = TestKey::foreign}), "index");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.describe(), "index: it is signed by the foreign key '" +
                                    public_key(TestKey::foreign).fingerprint + "', not by '" +
                                    key.fingerprint + "'");
  }
}

TEST(Signature, RefusesASubkeyOfThePinnedKey) {
  const std::string message = verdict(clear_sign(kText, {.key = TestKey::with_subkey}), TestKey::with_subkey);
  EXPECT_THAT(message,
              testing::MatchesRegex(
                  "index: it is signed by the subkey '[0-9A-F]{40}', only the primary key is pinned"));
}

TEST(Signature, RefusesAKeyOf1024Bits) {
  const std::string print = public_key(TestKey::weak).fingerprint;
  EXPECT_EQ(verdict(clear_sign(kText, {.key = TestKey::weak}), TestKey::weak),
            "PINNED: the signing key is too weak: RSA with 1024 bits, the least is 2048");
}

TEST(Signature, RefusesSha1) {
  const Signing signing = {.key = TestKey::rsa, .arguments = {"--digest-algo", "SHA1"}};
  EXPECT_EQ(verdict(clear_sign(kText, signing), TestKey::rsa),
            "index: it is signed over a weak digest (algorithm 2)");
}

TEST(Signature, RefusesAnExpiredSignature) {
  const Signing signing = {.time = "20200101T000000", .arguments = {"--default-sig-expire", "1d"}};
  EXPECT_EQ(verdict(clear_sign(kText, signing)), "index: its signature has expired");
}

TEST(Signature, RefusesTwoGoodSignatures) {
  const Signing signing = {.arguments = {"--local-user", "rsa@example.org"}};
  const std::string rsa = public_key(TestKey::rsa).fingerprint;
  EXPECT_EQ(verdict(clear_sign(kText, signing)),
            "index: it is signed by the foreign key '" + rsa.substr(24) + "', not by 'PINNED'");
}

TEST(Signature, RefusesTwoDocumentsInOne) {
  EXPECT_EQ(verdict(clear_sign(kText) + clear_sign("second\n")), "index: gpgv ended with exit status 2");
}

TEST(Signature, RefusesATextWithoutSignature) { EXPECT_EQ(verdict(kText), "index: it holds no signature"); }

TEST(Signature, RefusesNothing) { EXPECT_EQ(verdict(""), "index: it holds no signature"); }

TEST(Signature, RefusesEveryTruncation) {
  const std::string document = clear_sign(kText);
  const std::size_t whole = document.find("\n-----END PGP SIGNATURE") - 8;  // before the armour's checksum
  for (std::size_t size = 0; size < whole; size += 16) {
    const std::string message = verdict(document.substr(0, size));
    EXPECT_TRUE(message.starts_with("index: ")) << size << ": " << message;
  }
}

TEST(Signature, InAFileOfItsOwnIsAccepted) {
  EXPECT_EQ(detached_verdict("data", detach_sign("data")), public_key(TestKey::good).fingerprint);
}

TEST(Signature, InAFileOfItsOwnIsRefusedForOtherData) {
  EXPECT_EQ(detached_verdict("date", detach_sign("data")),
            "sums: its signature is wrong: it is not what was signed");
}

TEST(Signature, InAFileOfItsOwnIsRefusedWhenEmpty) {
  EXPECT_EQ(detached_verdict("data", ""), "sums: it holds no signature");
}

TEST(Signature, OfUbuntuItselfIsAccepted) {
  const std::string folder = IMGBUILD_SOURCE_DIR "/tests/data/base/";
  const SigningKey key = {.fingerprint = std::string(kUbuntuCloudimageFingerprint),
                          .armored = std::string(kUbuntuCloudimageKey)};
  const io::TemporaryDirectory work(testing::TempDir(), "verify");
  SystemCommandRunner runner;
  const Signature signature = SignatureVerifier(key, work.path(), runner)
                                  .detached(io::read_file(folder + "ubuntu-noble-SHA256SUMS"),
                                            io::read_file(folder + "ubuntu-noble-SHA256SUMS.gpg"), "sums");
  EXPECT_EQ(signature.signer, kUbuntuCloudimageFingerprint);
}

TEST(Signature, NeedsGpgvsGoodsigBesideItsValidsig) {
  const std::string print(40, 'A');
  const std::string status =
      "[GNUPG:] NEWSIG\n[GNUPG:] VALIDSIG " + print + " 2026-01-01 1 0 4 0 1 10 00 " + print + "\n";
  try {
    (void)judge_status(status, print, "index");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.describe(), "index: gpgv does not call its signature good");
  }
}

TEST(Signature, IsNotBelievedForStatusLinesWithinOtherText) {
  const std::string print(40, 'A');
  const std::string status = "x [GNUPG:] NEWSIG\nx [GNUPG:] GOODSIG 1\nx [GNUPG:] VALIDSIG " + print + "\n";
  EXPECT_THROW((void)judge_status(status, print, "index"), Error);
}

std::string key_error(const std::string& text) {
  try {
    require_strong_keys(dearmor_public_key(text, "key"), "key");
  } catch (const Error& error) {
    return error.describe();
  }
  return "accepted";
}

TEST(SigningKey, IsReadOutOfTextAroundIt) {
  EXPECT_EQ(key_error("x\n" + std::string(kUbuntuCloudimageKey) + "x\n"), "accepted");
}

TEST(SigningKey, IsRefusedWhenCutOffAnywhere) {
  const std::string whole = public_key(TestKey::rsa).armored;
  const std::size_t begin = whole.find("\n\n") + 2;
  const std::size_t end = whole.find("\n=");
  for (std::size_t size = 0; size < end - begin - 4; size += 7) {
    std::string cut = whole;
    cut.erase(begin + size, end - begin - size);
    const std::string message = key_error(cut);
    // A cut just behind a packet leaves a smaller but whole key, which gpgv then judges.
    EXPECT_TRUE(message == "accepted" || message == "key: the signing key is no readable OpenPGP public key")
        << message;
  }
}

TEST(SigningKey, IsRefusedWhenItIsNone) {
  EXPECT_EQ(key_error("hello"), "key: the signing key is no readable OpenPGP public key");
}

}  // namespace
}  // namespace imgbuild
