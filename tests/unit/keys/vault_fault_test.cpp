#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "keys/vault.h"
#include "util/command.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr const char* kVault = "IMGBUILD_TEST_VAULT";  ///< set: this process is the child that fills this vault
constexpr int kMostCalls = 200;

/// What the child does, and the next run after it.
std::string fill(const fs::path& path) {
  const Vault vault = Vault::open_or_make(path, {.tls_key = KeyType::ec_p256});
  const MachineKeys keys =
      vault.machine({.name = "prod-s1", .role = "web-master", .dns_names = {"prod-s1", "vote.example.org"}, .ssh_users = {"postgres"}});
  return vault.secret("password").reveal() + keys.tls->certificate + keys.host.public_key;
}

std::set<std::string> entries_of(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& item : fs::recursive_directory_iterator(folder)) names.insert(item.path().filename().native());
  return names;
}

const std::set<std::string> kComplete{".gitignore", ".lock", "index", "machines", "password", "passwords", "prod-s1", "role",
                                      "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "tls.crt", "tls.key", "ssh", "postgres", "postgres.pub"};

class VaultFault : public ::testing::Test {
 protected:
  /// Fills a new vault in a child whose n-th change to the disk fails or kills it. True if it came to the end.
  bool child_fills(const fs::path& vault, int n, const char* fault) {
    SystemCommandRunner runner;
    const CommandResult result = runner.run({
        .program = fs::read_symlink("/proc/self/exe"),
        .arguments = {"--gtest_filter=VaultFault.ChildFillsTheVault"},
        .environment = {fmt::format("{}={}", kVault, vault.native()), fmt::format("IMGBUILD_IO_FAULT={}:{}", n, fault)},
    });
    return result.succeeded();
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "vault-fault-test"};
};

/// By itself it fills a vault of its own, so that it is a test too.
TEST_F(VaultFault, ChildFillsTheVault) {
  const char* given = std::getenv(kVault);
  const fs::path path = given ? fs::path(given) : folder_.path() / "prod.vault";
  EXPECT_FALSE(fill(path).empty());
  EXPECT_EQ(entries_of(path), kComplete);
}

TEST_F(VaultFault, AtAnyWriteLeavesAVaultThatTheNextRunCompletes) {
  int n = 1;
  for (; n < kMostCalls; ++n) {
    const fs::path path = folder_.path() / fmt::format("{}.vault", n);
    const bool done = child_fills(path, n, "enospc");
    const std::string filled = fill(path);
    EXPECT_EQ(fill(path), filled) << n;
    EXPECT_EQ(entries_of(path), kComplete) << n;
    if (done) break;
  }
  EXPECT_GT(n, 20);
  EXPECT_LT(n, kMostCalls);
}

TEST_F(VaultFault, ThatKillsAtAnyWriteLosesNothing) {
  int n = 1;
  for (; n < kMostCalls; ++n) {
    const fs::path path = folder_.path() / fmt::format("{}.vault", n);
    const bool done = child_fills(path, n, "kill");
    EXPECT_FALSE(fill(path).empty()) << n;
    EXPECT_EQ(entries_of(path), kComplete) << n;
    if (done) break;
  }
  EXPECT_GT(n, 20);
  EXPECT_LT(n, kMostCalls);
}

}  // namespace
}  // namespace imgbuild
