#include "build/signatures.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "build/manifest.h"
#include "build/outputs.h"
#include "complaint.h"
#include "util/base64.h"
#include "util/command.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// A manifest with one artifact; keys of three people, made by OpenSSL's own program; those of a and b are trusted.
class Signatures : public testing::Test {
 protected:
  Signatures() {
    io::make_directories(trusted_, 0755);
    for (const std::string name : {"a", "b", "stranger"}) {
      openssl({"genpkey", "-algorithm", "ed25519", "-out", private_key(name).native()});
      ::chmod(private_key(name).c_str(), 0600);
      openssl({"pkey", "-in", private_key(name).native(), "-pubout", "-out", public_key(name).native()});
    }
    for (const std::string name : {"a", "b"}) fs::copy(public_key(name), trusted_ / (name + ".pem"));
    io::write_file(folder_.path() / "web.qcow2", "disk", 0644);
    Manifest manifest;
    manifest.role = "web";
    manifest.base = {{"name", "bootstrap"}, {"digest", std::string(64, 'b')}};
    manifest.artifacts = {{.file = "web.qcow2", .format = "qcow2", .sha256 = sha256("disk"), .size = 4}};
    io::write_file(manifest_, to_json(manifest), 0644);
  }
  void openssl(const std::vector<std::string>& arguments) { (void)run_checked(runner_, {.program = "openssl", .arguments = arguments}); }
  fs::path private_key(const std::string& name) { return folder_.path() / (name + ".key"); }
  fs::path public_key(const std::string& name) { return folder_.path() / (name + ".pub"); }
  void sign(const std::string& name) { sign_manifest(manifest_, Ed25519Key(private_key(name))); }
  SignatureReport check(std::size_t required = 1) { return check_signatures(manifest_, {.required = required, .trusted_keys = trusted_}); }
  std::string complaint(std::size_t required = 1) {
    return complaint_of([&] { (void)check(required); });
  }
  Json read(const fs::path& path) { return Json::parse(io::read_file(path)); }
  std::string quoted(const fs::path& path) { return "'" + path.native() + "'"; }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "signatures"};
  fs::path manifest_ = folder_.path() / "web.manifest.json";
  fs::path trusted_ = folder_.path() / "trusted";
  SystemCommandRunner runner_;
};

TEST_F(Signatures, OfSeveralPeopleAreCounted) {
  sign("a");
  EXPECT_EQ(check().trusted.size(), 1U);
  EXPECT_EQ(complaint(2), quoted(signatures_path(manifest_)) + ": 1 of 2 required signatures, by keys in " + quoted(trusted_));
  sign("b");
  const SignatureReport report = check(2);
  ASSERT_EQ(report.trusted.size(), 2U);
  EXPECT_EQ(report.trusted[0].origin.filename(), "a.pem");
  EXPECT_EQ(report.trusted[1].origin.filename(), "b.pem");
}

TEST_F(Signatures, OfOneKeyCountOnce) {
  sign("a");
  sign("a");
  EXPECT_EQ(read(signatures_path(manifest_))["signatures"].size(), 1U);
  Json twice = read(signatures_path(manifest_));
  twice["signatures"].push_back(twice["signatures"][0]);
  io::write_file(signatures_path(manifest_), twice.dump(), 0644);
  EXPECT_EQ(complaint(2), quoted(signatures_path(manifest_)) + ": 1 of 2 required signatures, by keys in " + quoted(trusted_));
}

TEST_F(Signatures, OfStrangersSayNothing) {
  sign("stranger");
  const std::string id = Ed25519Key(private_key("stranger")).id();
  EXPECT_EQ(complaint(), quoted(signatures_path(manifest_)) + ": 0 of 1 required signatures, by keys in " + quoted(trusted_) + "\nhint: signed by unknown keys: " + id);
  sign("b");
  EXPECT_EQ(check().unknown, std::vector<std::string>{id});
}

TEST_F(Signatures, AreMissingUntilSomebodySigns) {
  EXPECT_EQ(complaint(), quoted(signatures_path(manifest_)) + ": is not there, so nobody signed " + quoted(manifest_));
}

TEST_F(Signatures, OfAnotherManifestAreNoneOfThis) {
  sign("a");
  const std::string before = sha256(io::read_file(manifest_));
  io::write_file(manifest_, io::read_file(manifest_) + "\n", 0644);
  EXPECT_EQ(complaint(), quoted(signatures_path(manifest_)) + ": signs another manifest, with SHA-256 " + before + "; " + quoted(manifest_) + " has " +
                             sha256(io::read_file(manifest_)));
  sign("b");
  EXPECT_EQ(read(signatures_path(manifest_))["signatures"].size(), 1U);
}

TEST_F(Signatures, MustMatch) {
  sign("a");
  Json file = read(signatures_path(manifest_));
  std::string bytes = from_base64(file["signatures"][0]["sig"].get<std::string>()).value();
  bytes[10] = static_cast<char>(bytes[10] ^ 1);
  file["signatures"][0]["sig"] = to_base64(bytes);
  io::write_file(signatures_path(manifest_), file.dump(), 0644);
  EXPECT_EQ(complaint(), quoted(signatures_path(manifest_)) + ": signature 1, of key " + quoted(trusted_ / "a.pem") + ", does not match");
}

TEST_F(Signatures, OfTheProvenanceMustMatchAndSayWhatTheManifestSays) {
  sign("a");
  const Json good = read(provenance_path(manifest_));
  Json other = good;
  other["signatures"][0]["sig"] = to_base64(std::string(64, 'x'));
  io::write_file(provenance_path(manifest_), other.dump(), 0644);
  EXPECT_EQ(complaint(), quoted(provenance_path(manifest_)) + ": signature 1, of key " + quoted(trusted_ / "a.pem") + ", does not match");
  other = good;
  other["payload"] = to_base64("{}");
  io::write_file(provenance_path(manifest_), other.dump(), 0644);
  EXPECT_EQ(complaint(), quoted(provenance_path(manifest_)) + ": does not say what the manifest " + quoted(manifest_) + " says");
}

TEST_F(Signatures, ThatCannotBeReadAreRefusedAndKept) {
  sign("a");
  io::write_file(signatures_path(manifest_), "{\n  \"sha256\": }", 0644);
  EXPECT_EQ(complaint(), signatures_path(manifest_).native() + ":2:13: is no JSON text from here on");
  EXPECT_EQ(complaint_of([&] { sign("b"); }), signatures_path(manifest_).native() + ":2:13: is no JSON text from here on");
  EXPECT_EQ(io::read_file(signatures_path(manifest_)), "{\n  \"sha256\": }");
  io::write_file(signatures_path(manifest_), "{}", 0644);
  EXPECT_EQ(complaint(), quoted(signatures_path(manifest_)) + ": is no file of signatures: key 'sha256' not found");
}

TEST_F(Signatures, AreNotMadeForFilesThatAreNotThere) {
  io::write_file(folder_.path() / "web.qcow2", "dusk", 0644);
  EXPECT_EQ(complaint_of([&] { sign("a"); }),
            quoted(folder_.path() / "web.qcow2") + ": is not there, or not the file that " + quoted(manifest_) + " describes");
  EXPECT_FALSE(fs::exists(signatures_path(manifest_)));
  EXPECT_FALSE(fs::exists(provenance_path(manifest_)));
}

TEST_F(Signatures, NeedAnEd25519KeyThatIsPrivate) {
  ::chmod(private_key("a").c_str(), 0644);
  EXPECT_EQ(complaint_of([&] { sign("a"); }), private_key("a").native() + ": is open to others, with mode 0644\nhint: chmod 0600 " + quoted(private_key("a")) +
                                                  ", and replace what others may have read");
  openssl({"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", private_key("rsa").native()});
  ::chmod(private_key("rsa").c_str(), 0600);
  EXPECT_EQ(complaint_of([&] { sign("rsa"); }),
            quoted(private_key("rsa")) + ": holds a key of type RSA, signatures need ED25519\n"
                                         "hint: openssl genpkey -algorithm ed25519 -out KEY.pem; openssl pkey -in KEY.pem -pubout -out KEY.pub.pem");
  EXPECT_EQ(complaint_of([&] { sign("nobody"); }), quoted(private_key("nobody")) + ": there is no such file");
}

TEST_F(Signatures, NeedTrustedKeysThatArePublicAndDiffer) {
  sign("a");
  EXPECT_EQ(complaint(3), "--require 3: must be from 1 to 2, the number of keys in " + quoted(trusted_));
  EXPECT_EQ(complaint(0), "--require 0: must be from 1 to 2, the number of keys in " + quoted(trusted_));
  fs::copy(public_key("a"), trusted_ / "c.pem");
  EXPECT_EQ(complaint(), quoted(trusted_ / "c.pem") + ": is the same key as " + quoted(trusted_ / "a.pem") + ", which would count twice");
  fs::copy(private_key("stranger"), trusted_ / "c.pem", fs::copy_options::overwrite_existing);
  EXPECT_EQ(complaint(), quoted(trusted_ / "c.pem") + ": holds a private key, trusted keys are public ones\nhint: openssl pkey -in KEY.pem -pubout -out KEY.pub.pem");
  io::write_file(trusted_ / "c.pem", "key", 0644);
  EXPECT_EQ(complaint(), quoted(trusted_ / "c.pem") + ": holds no public key in PEM form");
  for (const char* name : {"a.pem", "b.pem", "c.pem"}) fs::remove(trusted_ / name);
  EXPECT_EQ(complaint(), quoted(trusted_) + ": holds no public key (*.pem)");
  fs::remove(trusted_);
  EXPECT_EQ(complaint(), quoted(trusted_) + ": there is no such folder of trusted keys");
}

/// By a program that knows nothing of us.
TEST_F(Signatures, AreThoseOfOpenssl) {
  sign("a");
  const fs::path raw = folder_.path() / "raw.sig";
  io::write_file(raw, from_base64(read(signatures_path(manifest_))["signatures"][0]["sig"].get<std::string>()).value(), 0644);
  const auto verify = [&] {
    return runner_.run({.program = "openssl", .arguments = {"pkeyutl", "-verify", "-pubin", "-inkey", public_key("a").native(), "-rawin", "-in",
                                                            manifest_.native(), "-sigfile", raw.native()}});
  };
  EXPECT_TRUE(verify().succeeded()) << verify().err;
  io::write_file(manifest_, io::read_file(manifest_) + " ", 0644);
  EXPECT_FALSE(verify().succeeded());
}

}  // namespace
}  // namespace imgbuild
