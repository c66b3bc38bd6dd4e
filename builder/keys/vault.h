#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "keys/certificate.h"
#include "keys/openssh_key.h"
#include "keys/private_key.h"
#include "recipe/environment.h"
#include "util/secret.h"

namespace imgbuild {

/// What a machine needs from the vault.
struct MachineNeeds {
  std::string name;                    ///< host name
  std::string role;
  std::vector<std::string> dns_names;  ///< of its certificate: its name, those it shares it with, and the domain
  KeyOrigin keys = KeyOrigin::seed;    ///< machine: no TLS key here
  std::string shared_tls = {};         ///< name of the certificate it shares with others; empty: it has its own
  std::vector<std::string> ssh_users = {};  ///< accounts that log in to other machines
};

/// What a machine gets from the vault.
struct MachineKeys {
  std::optional<TlsPair> tls;  ///< none when the machine makes its own
  SshKeyPair host;             ///< ssh host key
  std::map<std::string, SshKeyPair> users = {};  ///< by account
};

/// What a run needs from the vault.
struct VaultNeeds {
  std::vector<std::string> passwords;
  std::vector<MachineNeeds> machines;
};

struct VaultOptions {
  Environment::Lab lab = Environment::Lab::no;
  KeyType tls_key = KeyType::rsa_4096;
  std::time_t now = 0;                         ///< for certificates made and checked; 0: the clock's
  std::function<void()> on_wait = [] {};       ///< another run holds the vault's lock
};

/// The folder of a deployment's passwords and private keys, beside its environment file. Entries are made on first need
/// and never changed or removed. Any number of processes may use it at once.
///
///   prod.vault/                0700
///     .gitignore               "*": never in git
///     .lock                    held while an entry is made
///     index                    what was made: what is listed and gone is not made again
///     passwords/NAME           0600, one line
///     machines/NAME/           0700
///       role                   what NAME was when its keys were made
///       tls.key tls.crt        0600, PEM
///       ssh_host_ed25519_key   0600, and .pub
///       ssh/USER               0600, and .pub: by which USER logs in to other machines
///     shared/NAME/             0700
///       tls.key tls.crt        0600, of several machines
class Vault {
 public:
  /// Makes the folder if absent, and removes temporaries that a killed run left there. Throws Error (bad input) with the cure if it is a link, not ours or open to others.
  [[nodiscard]] static Vault open_or_make(std::filesystem::path path, VaultOptions options);

  /// The entries of 'needs' that the vault at 'path' lacks, such as "passwords/iam_database_password" and
  /// "machines/prod-s1/tls.key", in that order; all of them if there is no vault. Writes nothing. Throws as the calls
  /// that would make them.
  [[nodiscard]] static std::vector<std::string> would_make(const std::filesystem::path& path, const VaultNeeds& needs,
                                                           const VaultOptions& options);

  /// The password of that name ([a-z][a-z0-9_]*), made if absent. Throws Error (bad input) if it was there and is gone.
  [[nodiscard]] Secret secret(const std::string& name) const;

  /// The keys of a machine, made if absent. Throws Error (bad input) with the cure if half of a pair is missing or its
  /// halves don't fit, if the certificate has expired or is for other names (it is not replaced: peers have pinned it,
  /// and would refuse the machine without anybody knowing why), if an entry that was there is gone or lies at another
  /// machine's place, if the vault's were made for another role, or if it is an authority whose TLS key the vault would hold
  /// besides another's (unless it is a lab).
  [[nodiscard]] MachineKeys machine(const MachineNeeds& needs) const;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  Vault(std::filesystem::path path, VaultOptions options) : path_(std::move(path)), options_(std::move(options)) {}

  std::filesystem::path path_;
  VaultOptions options_;
};

}  // namespace imgbuild
