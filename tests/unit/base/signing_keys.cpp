#include "unit/base/signing_keys.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "util/command.h"
#include "util/io.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;

const std::string kBirthday = "20150101T000000";

struct Recipe {
  TestKey key;
  std::string user;
  std::string algorithm;
  std::string expires;
};

const std::vector<Recipe> kRecipes = {
    {TestKey::good, "good@example.org", "ed25519", "never"},
    {TestKey::foreign, "foreign@example.org", "ed25519", "never"},
    {TestKey::expired, "expired@example.org", "ed25519", "1y"},
    {TestKey::revoked, "revoked@example.org", "ed25519", "never"},
    {TestKey::weak, "weak@example.org", "rsa1024", "never"},
    {TestKey::rsa, "rsa@example.org", "rsa2048", "never"},
    {TestKey::with_subkey, "subkey@example.org", "ed25519", "never"},
};

/// A gpg home in /tmp (its sockets need a short path), removed with its agent at the end of the program.
class GpgHome {
 public:
  GpgHome() {
    for (const Recipe& recipe : kRecipes) make(recipe);
  }
  ~GpgHome() {
    SystemCommandRunner runner;
    for (const fs::path& home : {home_, revocation_home_}) {
      runner.run({.program = "gpgconf", .arguments = {"--homedir", home.native(), "--kill", "all"}});
    }
  }

  std::string gpg(std::vector<std::string> arguments, const std::string& input = "",
                  const std::string& time = "") const {
    return gpg_in(home_, std::move(arguments), input, time);
  }
  [[nodiscard]] const SigningKey& key(TestKey which) const { return keys_.at(which); }
  [[nodiscard]] static const std::string& user(TestKey which) {
    return kRecipes.at(static_cast<std::size_t>(which)).user;
  }

 private:
  static std::string gpg_in(const fs::path& home, std::vector<std::string> arguments,
                            const std::string& input, const std::string& time) {
    std::vector<std::string> all = {
        "--homedir", home.native(),  "--batch", "--quiet",         "--no-permission-warning",
        "--yes",     "--passphrase", "",        "--pinentry-mode", "loopback"};
    if (!time.empty()) all.insert(all.end(), {"--faked-system-time", time + "!"});
    all.insert(all.end(), arguments.begin(), arguments.end());
    SystemCommandRunner runner;
    return run_checked(runner, {.program = "gpg", .arguments = all, .input = input}).out;
  }

  std::string fingerprint(const std::string& user) const {
    const std::string listing = gpg({"--list-keys", "--with-colons", user});
    const std::size_t at = listing.find("\nfpr:::::::::");
    return listing.substr(at + 13, 40);
  }

  void make(const Recipe& recipe) {
    gpg({"--quick-gen-key", recipe.user, recipe.algorithm, "sign", recipe.expires}, "", kBirthday);
    const std::string print = fingerprint(recipe.user);
    if (recipe.key == TestKey::with_subkey)
      gpg({"--quick-add-key", print, "ed25519", "sign", "never"}, "", kBirthday);
    std::string armored = gpg({"--armor", "--export", recipe.user});
    if (recipe.key == TestKey::revoked) armored = revoke(armored, print);
    keys_[recipe.key] = {.fingerprint = print, .armored = armored};
  }

  /// The key as its users see it after the revocation; ours goes on signing, as that of a thief would.
  std::string revoke(const std::string& armored, const std::string& print) const {
    std::string certificate = io::read_file(home_ / "openpgp-revocs.d" / (print + ".rev"));
    certificate.erase(certificate.find(":-----BEGIN"), 1);  // the colon guards against accidents
    gpg_in(revocation_home_, {"--import"}, armored, "");
    gpg_in(revocation_home_, {"--import"}, certificate, "");
    return gpg_in(revocation_home_, {"--armor", "--export", print}, "", "");
  }

  io::TemporaryDirectory folder_{"/tmp", "gpg"};
  io::TemporaryDirectory revocation_folder_{"/tmp", "gpg"};
  fs::path home_ = folder_.path();
  fs::path revocation_home_ = revocation_folder_.path();
  std::map<TestKey, SigningKey> keys_;
};

/// Made on first use, ended with the program.
const GpgHome& gpg_home() {
  static const GpgHome home;
  return home;
}

std::string sign(const std::string& how, const std::string& text, const Signing& signing) {
  std::vector<std::string> arguments = signing.arguments;
  arguments.insert(arguments.end(), {"--armor", "--local-user", GpgHome::user(signing.key), how});
  return gpg_home().gpg(arguments, text, signing.time);
}

}  // namespace

const SigningKey& public_key(TestKey key) { return gpg_home().key(key); }
std::string clear_sign(const std::string& text, const Signing& signing) {
  return sign("--clearsign", text, signing);
}
std::string detach_sign(const std::string& text, const Signing& signing) {
  return sign("--detach-sign", text, signing);
}

}  // namespace imgbuild
