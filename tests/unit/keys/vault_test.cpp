#include "keys/vault.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "complaint.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr std::time_t kNow = 1'780'000'000;  // 2026-05-28

class VaultFolder : public ::testing::Test {
 protected:
  static VaultOptions options() { return {.tls_key = KeyType::ec_p256, .now = kNow}; }
  static MachineNeeds master() {
    return {.name = "prod-s1", .role = "web-master", .dns_names = {"prod-s1", "vote.example.org"}};
  }
  static MachineNeeds authority(const std::string& name) {
    return {.name = name, .role = "authority", .dns_names = {name, "vote.example.org"}};
  }

  static MachineNeeds sharing(const std::string& name, const std::string& role) {
    return {.name = name,
            .role = role,
            .dns_names = {"prod-s1", "prod-s2", "vote.example.org"},
            .shared_tls = "web",
            .ssh_users = {"postgres", "ballotbox"}};
  }
  std::string lost(const std::string& name) const {
    return fmt::format("{}: is gone, but this vault had it\nhint: restore it from your copy of the vault; to have a new one made, "
                       "with which nothing that was made with the old one works, remove its line in '{}'",
                       entry(name).native(), entry("index").native());
  }

  Vault open() const { return Vault::open_or_make(path_, options()); }
  std::string open_complaint() const {
    return complaint_of([&] { (void)open(); });
  }
  std::string machine_complaint(const MachineNeeds& needs) const {
    return complaint_of([&] { (void)open().machine(needs); });
  }
  fs::path entry(const std::string& name) const { return path_ / name; }

  static mode_t mode_of(const fs::path& path) {
    struct stat info = {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }
  std::set<std::string> all_entries() const {
    std::set<std::string> names;
    for (const auto& item : fs::recursive_directory_iterator(path_)) {
      names.insert(item.path().lexically_relative(path_).native());
    }
    return names;
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "vault-test"};
  fs::path path_ = folder_.path() / "prod.vault";
};

TEST_F(VaultFolder, MakesAPasswordOnceAndKeepsIt) {
  const Secret password = open().secret("iam_database_password");
  EXPECT_EQ(password.reveal().size(), 40U);
  EXPECT_EQ(open().secret("iam_database_password").reveal(), password.reveal());
  EXPECT_NE(open().secret("other_password").reveal(), password.reveal());
}

TEST_F(VaultFolder, TakesAPasswordThatAPersonPutThere) {
  (void)open().secret("other");
  io::write_file(entry("passwords/mine"), "correct horse\n", 0600);
  EXPECT_EQ(open().secret("mine").reveal(), "correct horse");
}

TEST_F(VaultFolder, MakesTheKeysOfAMachineOnceAndKeepsThem) {
  const MachineKeys made = open().machine(master());
  const MachineKeys read = open().machine(master());
  EXPECT_EQ(read.tls->key.reveal(), made.tls->key.reveal());
  EXPECT_EQ(read.tls->certificate, made.tls->certificate);
  EXPECT_EQ(read.host.private_key.reveal(), made.host.private_key.reveal());
  EXPECT_EQ(read.host.public_key, made.host.public_key);
  EXPECT_EQ(read_certificate(made.tls->certificate, "made").dns_names, master().dns_names);
}

TEST_F(VaultFolder, MakesNoTlsKeyForAMachineThatMakesItsOwn) {
  MachineNeeds needs = master();
  needs.keys = KeyOrigin::machine;
  EXPECT_FALSE(open().machine(needs).tls.has_value());
  EXPECT_FALSE(fs::exists(entry("machines/prod-s1/tls.key")));
  EXPECT_TRUE(fs::exists(entry("machines/prod-s1/ssh_host_ed25519_key")));
}

TEST_F(VaultFolder, IsClosedToOthersWhateverTheUmask) {
  const mode_t old = ::umask(0);
  (void)open().secret("password");
  MachineNeeds needs = master();
  needs.ssh_users = {"postgres"};
  (void)open().machine(needs);
  ::umask(old);
  EXPECT_EQ(all_entries(),
            (std::set<std::string>{".gitignore", ".lock", "index", "machines", "machines/prod-s1", "machines/prod-s1/role",
                                   "machines/prod-s1/ssh", "machines/prod-s1/ssh/postgres",
                                   "machines/prod-s1/ssh/postgres.pub", "machines/prod-s1/ssh_host_ed25519_key", "machines/prod-s1/ssh_host_ed25519_key.pub",
                                   "machines/prod-s1/tls.crt", "machines/prod-s1/tls.key", "passwords",
                                   "passwords/password"}));
  EXPECT_EQ(mode_of(path_), 0700U);
  for (const std::string& name : all_entries()) {
    EXPECT_EQ(mode_of(entry(name)), fs::is_directory(entry(name)) ? 0700U : 0600U) << name;
  }
}

TEST_F(VaultFolder, KeepsItselfOutOfGit) {
  (void)open();
  EXPECT_EQ(io::read_file(entry(".gitignore")), "*\n");
}

TEST_F(VaultFolder, RefusesAFolderThatIsOpenToOthers) {
  fs::create_directory(path_);
  ::chmod(path_.c_str(), 0750);
  EXPECT_EQ(open_complaint(), path_.native() + ": is open to others, with mode 0750\nhint: chmod 0700 '" +
                                  path_.native() + "', and replace what others may have read");
  EXPECT_TRUE(fs::is_empty(path_));
}

TEST_F(VaultFolder, RefusesALink) {
  fs::create_directory(folder_.path() / "elsewhere");
  ::chmod((folder_.path() / "elsewhere").c_str(), 0700);
  fs::create_symlink("elsewhere", path_);
  EXPECT_EQ(open_complaint(),
            path_.native() + ": is a link, but must be a folder\nhint: replace the link by what it leads to");
  EXPECT_TRUE(fs::is_empty(folder_.path() / "elsewhere"));
}

TEST_F(VaultFolder, RefusesALinkThatLeadsNowhere) {
  fs::create_symlink("nowhere", path_);
  EXPECT_EQ(open_complaint(),
            path_.native() + ": is a link, but must be a folder\nhint: replace the link by what it leads to");
  EXPECT_FALSE(fs::exists(folder_.path() / "nowhere"));
}

TEST_F(VaultFolder, RefusesAFile) {
  io::write_file(path_, "", 0600);
  EXPECT_EQ(open_complaint(), path_.native() + ": is no folder");
}

/// Only root can give a folder away; another user meets somebody else's folder in /root or /etc.
TEST_F(VaultFolder, RefusesAFolderOfSomebodyElse) {
  fs::path theirs = "/etc";
  unsigned owner = 0;
  if (::geteuid() == 0) {
    theirs = path_;
    owner = 12345;
    fs::create_directory(path_);
    ASSERT_EQ(::chown(path_.c_str(), owner, owner), 0);
  }
  EXPECT_EQ(complaint_of([&] { (void)Vault::open_or_make(theirs, options()); }),
            fmt::format("{0}: belongs to user {1}, but we run as user {2}\nhint: run as its owner, or after looking "
                        "into it: chown -R {2} '{0}'",
                        theirs.native(), owner, ::geteuid()));
}

TEST_F(VaultFolder, RefusesAnEntryThatIsALink) {
  (void)open().secret("other");
  io::write_file(folder_.path() / "file", "stolen\n", 0600);
  fs::create_symlink(folder_.path() / "file", entry("passwords/password"));
  EXPECT_EQ(complaint_of([&] { (void)open().secret("password"); }),
            entry("passwords/password").native() +
                ": is a link, but must be a file\nhint: replace the link by what it leads to");
}

TEST_F(VaultFolder, RefusesAFolderInsideThatIsALink) {
  (void)open();
  fs::create_directory(folder_.path() / "elsewhere");
  fs::create_symlink(folder_.path() / "elsewhere", entry("passwords"));
  EXPECT_EQ(complaint_of([&] { (void)open().secret("password"); }),
            entry("passwords").native() +
                ": is a link, but must be a folder\nhint: replace the link by what it leads to");
  EXPECT_TRUE(fs::is_empty(folder_.path() / "elsewhere"));
}

TEST_F(VaultFolder, RefusesAPipeWithoutWaitingForIt) {
  (void)open().secret("other");
  ASSERT_EQ(::mkfifo(entry("passwords/password").c_str(), 0600), 0);
  EXPECT_EQ(complaint_of([&] { (void)open().secret("password"); }),
            entry("passwords/password").native() + ": is no regular file");
}

TEST_F(VaultFolder, RefusesAnEntryThatIsOpenToOthers) {
  (void)open().secret("password");
  ::chmod(entry("passwords/password").c_str(), 0640);
  EXPECT_EQ(complaint_of([&] { (void)open().secret("password"); }),
            entry("passwords/password").native() + ": is open to others, with mode 0640\nhint: chmod 0600 '" +
                entry("passwords/password").native() + "', and replace what others may have read");
}

TEST_F(VaultFolder, RefusesAnEmptyPassword) {
  (void)open().secret("other");
  io::write_file(entry("passwords/password"), "\n", 0600);
  EXPECT_EQ(complaint_of([&] { (void)open().secret("password"); }), entry("passwords/password").native() + ": is empty");
}

TEST_F(VaultFolder, RefusesAPasswordOfTwoLines) {
  (void)open().secret("other");
  io::write_file(entry("passwords/password"), "one\ntwo\n", 0600);
  EXPECT_EQ(complaint_of([&] { (void)open().secret("password"); }),
            entry("passwords/password").native() + ": must be one line of text");
}

TEST_F(VaultFolder, RefusesNamesThatLeadOut) {
  for (const char* name : {"", ".", "..", "../x", "a/b", ".lock", "-x"}) {
    EXPECT_EQ(complaint_of([&] { (void)open().secret(name); }),
              fmt::format("'{}' cannot be a password's name in the vault", name));
  }
}

TEST_F(VaultFolder, NeverReplacesACertificateWhoseKeyIsThere) {
  (void)open().machine(master());
  const std::string key = io::read_file(entry("machines/prod-s1/tls.key"));
  fs::remove(entry("machines/prod-s1/tls.crt"));
  EXPECT_EQ(machine_complaint(master()),
            entry("machines/prod-s1/tls.key").native() +
                ": is there, but 'tls.crt', which belongs to it, is not\nhint: restore '" +
                entry("machines/prod-s1/tls.crt").native() + "' from your copy, or remove '" +
                entry("machines/prod-s1/tls.key").native() + "' and its line in the vault's 'index' to have both made anew");
  EXPECT_EQ(io::read_file(entry("machines/prod-s1/tls.key")), key);
}

TEST_F(VaultFolder, NeverReplacesAHostKeyWhosePublicHalfIsThere) {
  (void)open().machine(master());
  fs::remove(entry("machines/prod-s1/ssh_host_ed25519_key"));
  EXPECT_EQ(machine_complaint(master()),
            entry("machines/prod-s1/ssh_host_ed25519_key.pub").native() +
                ": is there, but 'ssh_host_ed25519_key', which belongs to it, is not\nhint: restore '" +
                entry("machines/prod-s1/ssh_host_ed25519_key").native() + "' from your copy, or remove '" +
                entry("machines/prod-s1/ssh_host_ed25519_key.pub").native() +
                "' and its line in the vault's 'index' to have both made anew");
}

TEST_F(VaultFolder, RefusesThePublicHalfOfAnotherHostKey) {
  (void)open().machine(master());
  io::write_file(entry("machines/prod-s1/ssh_host_ed25519_key.pub"), make_ssh_key("prod-s1").public_key + "\n", 0600);
  const std::string key = entry("machines/prod-s1/ssh_host_ed25519_key").native();
  EXPECT_EQ(machine_complaint(master()), key + ".pub: is not the public half of '" + key + "'\nhint: ssh-keygen -y -f '" +
                                             key + "' > '" + key + ".pub'");
}

TEST_F(VaultFolder, DoesNotReplaceTheCertificateWhenTheDomainChanges) {
  const std::string before = open().machine(master()).tls->certificate;
  MachineNeeds needs = master();
  needs.dns_names = {"prod-s1", "new.example.org"};
  EXPECT_EQ(machine_complaint(needs),
            entry("machines/prod-s1/tls.crt").native() +
                ": the certificate is for 'prod-s1, vote.example.org', but must be for 'prod-s1, new.example.org'\nhint: "
                "remove '" +
                entry("machines/prod-s1/tls.key").native() + "', '" + entry("machines/prod-s1/tls.crt").native() +
                "' and their line in the vault's 'index' to have both made anew; every peer must then install the new one");
  EXPECT_EQ(io::read_file(entry("machines/prod-s1/tls.crt")), before);
}

TEST_F(VaultFolder, RefusesToGiveAMachinesKeysToAnotherRole) {
  (void)open().machine(master());
  MachineNeeds needs = master();
  needs.role = "authority";
  EXPECT_EQ(machine_complaint(needs),
            entry("machines/prod-s1").native() +
                ": the keys of 'prod-s1' were made for role 'web-master', but it is to be 'authority'\nhint: remove '" +
                entry("machines/prod-s1").native() + "' and its lines in the vault's 'index' to have new keys made");
}

TEST_F(VaultFolder, NeverHoldsTheKeysOfTwoAuthorities) {
  (void)open().machine(authority("prod-a1"));
  EXPECT_EQ(machine_complaint(authority("prod-a2")),
            path_.native() +
                ": holds the keys of authority 'prod-a1' and must not hold those of 'prod-a2' too\nhint: mark the machine "
                "'external: true' and let its trustee build it, give it 'keys: machine', or say 'lab: true' for a trial");
  EXPECT_FALSE(fs::exists(entry("machines/prod-a2")));
  EXPECT_NO_THROW((void)open().machine(authority("prod-a1")));
  EXPECT_NO_THROW((void)open().machine(master()));
}

TEST_F(VaultFolder, HoldsTheKeysOfTwoAuthoritiesInALab) {
  VaultOptions lab = options();
  lab.lab = Environment::Lab::yes;
  const Vault vault = Vault::open_or_make(path_, lab);
  (void)vault.machine(authority("prod-a1"));
  EXPECT_NO_THROW((void)vault.machine(authority("prod-a2")));
}

/// Their TLS keys never come here, so that whoever has the vault can't speak for both.
TEST_F(VaultFolder, ServesAuthoritiesThatMakeTheirOwnKeys) {
  for (const char* name : {"prod-a1", "prod-a2"}) {
    MachineNeeds needs = authority(name);
    needs.keys = KeyOrigin::machine;
    EXPECT_FALSE(open().machine(needs).tls.has_value());
  }
  EXPECT_NO_THROW((void)open().machine(authority("prod-a1")));
  EXPECT_NE(machine_complaint(authority("prod-a2")), "");
}

TEST_F(VaultFolder, RemembersTheAuthorityWhoseFolderIsGone) {
  (void)open().machine(authority("prod-a1"));
  fs::remove_all(entry("machines/prod-a1"));
  EXPECT_EQ(machine_complaint(authority("prod-a2")), lost("machines/prod-a1/role"));
}

TEST_F(VaultFolder, NeverHoldsTheKeysOfTwoAuthoritiesAfterALab) {
  VaultOptions lab = options();
  lab.lab = Environment::Lab::yes;
  for (const char* name : {"prod-a1", "prod-a2"}) (void)Vault::open_or_make(path_, lab).machine(authority(name));
  EXPECT_EQ(machine_complaint(authority("prod-a1")),
            path_.native() +
                ": holds the keys of authority 'prod-a2' and must not hold those of 'prod-a1' too\nhint: mark the machine "
                "'external: true' and let its trustee build it, give it 'keys: machine', or say 'lab: true' for a trial");
}

TEST_F(VaultFolder, GivesAnAuthorityNoSharedKey) {
  MachineNeeds needs = authority("prod-a1");
  needs.shared_tls = "authority";
  EXPECT_EQ(machine_complaint(needs),
            "authority 'prod-a1' must not share its private key with other machines\nhint: say 'tls: own' in cidata/authority.yml");
}

TEST_F(VaultFolder, MakesOneKeyForMachinesThatShareIt) {
  const MachineKeys one = open().machine(sharing("prod-s1", "web-master"));
  const MachineKeys two = open().machine(sharing("prod-s2", "web-slave"));
  EXPECT_EQ(one.tls->key.reveal(), two.tls->key.reveal());
  EXPECT_EQ(one.tls->certificate, two.tls->certificate);
  EXPECT_EQ(read_certificate(one.tls->certificate, "made").dns_names, sharing("", "").dns_names);
  EXPECT_NE(one.host.public_key, two.host.public_key);
  EXPECT_TRUE(fs::exists(entry("shared/web/tls.key")));
  EXPECT_FALSE(fs::exists(entry("machines/prod-s1/tls.key")));
}

TEST_F(VaultFolder, MakesAnSshKeyForEachMachineAndAccountOnce) {
  const MachineKeys made = open().machine(sharing("prod-s1", "web-master"));
  EXPECT_EQ(made.users.size(), 2U);
  EXPECT_TRUE(made.users.at("postgres").public_key.ends_with(" postgres@prod-s1")) << made.users.at("postgres").public_key;
  EXPECT_NE(made.users.at("postgres").private_key.reveal(), made.users.at("ballotbox").private_key.reveal());
  const MachineKeys read = open().machine(sharing("prod-s1", "web-master"));
  EXPECT_EQ(read.users.at("postgres").private_key.reveal(), made.users.at("postgres").private_key.reveal());
  EXPECT_EQ(io::read_file(entry("machines/prod-s1/ssh/postgres.pub")), made.users.at("postgres").public_key + "\n");
}

TEST_F(VaultFolder, RefusesNamesOfAccountsThatLeadOut) {
  MachineNeeds needs = master();
  needs.ssh_users = {"../x"};
  EXPECT_EQ(machine_complaint(needs), "'../x' cannot be a user's name in the vault");
}

TEST_F(VaultFolder, NeverMakesAnewWhatItHadAndLost) {
  (void)open().secret("a_password");
  const VaultNeeds needs{.passwords = {"a_password"}, .machines = {sharing("prod-s1", "web-master")}};
  (void)open().machine(needs.machines.front());
  for (const char* name : {"passwords/a_password", "machines/prod-s1/role", "machines/prod-s1/ssh_host_ed25519_key",
                           "machines/prod-s1/ssh/postgres", "shared/web/tls.key"}) {
    const fs::path away = folder_.path() / "away";
    const fs::path counterpart = std::string(name).ends_with(".key") ? entry("shared/web/tls.crt") : fs::path(entry(name).native() + ".pub");
    fs::rename(entry(name), away);
    if (fs::exists(counterpart)) fs::rename(counterpart, away.native() + ".2");
    EXPECT_EQ(complaint_of([&] { (void)Vault::would_make(path_, needs, options()); }), lost(name));
    const bool is_password = std::string(name).starts_with("passwords");
    EXPECT_EQ(is_password ? complaint_of([&] { (void)open().secret("a_password"); }) : machine_complaint(needs.machines.front()),
              lost(name));
    EXPECT_FALSE(fs::exists(entry(name)));
    fs::rename(away, entry(name));
    if (fs::exists(away.native() + ".2")) fs::rename(away.native() + ".2", counterpart);
  }
  EXPECT_TRUE(Vault::would_make(path_, needs, options()).empty());
}

TEST_F(VaultFolder, MakesAnewWhatAPersonTookOffTheIndex) {
  const std::string before = open().secret("a_password").reveal();
  (void)open().secret("b_password");
  fs::remove(entry("passwords/a_password"));
  io::write_file(entry("index"), "passwords/b_password\n", 0600);
  EXPECT_NE(open().secret("a_password").reveal(), before);
}

TEST_F(VaultFolder, ListsWhatAnOlderVaultHolds) {
  (void)open().secret("a_password");
  fs::remove(entry("index"));
  (void)open().secret("a_password");
  fs::remove(entry("passwords/a_password"));
  EXPECT_EQ(complaint_of([&] { (void)open().secret("a_password"); }), lost("passwords/a_password"));
}

TEST_F(VaultFolder, RefusesAnIndexThatIsNone) {
  (void)open();
  io::write_file(entry("index"), "# comment\n\n../etc/passwd\n", 0600);
  EXPECT_EQ(complaint_of([&] { (void)open().secret("a_password"); }),
            entry("index").native() + ":3: must be an entry of the vault such as passwords/NAME, is '../etc/passwd'\n"
                                      "hint: restore the file from your copy of the vault");
}

TEST_F(VaultFolder, NoticesThatMachinesWereSwapped) {
  const Vault vault = open();
  (void)vault.machine(sharing("prod-s1", "web-master"));
  (void)vault.machine(sharing("prod-s2", "web-slave"));
  for (const char* name : {"ssh_host_ed25519_key", "ssh/postgres"}) {
    for (const char* half : {"", ".pub"}) {
      fs::copy_file(entry("machines/prod-s2/" + std::string(name) + half), entry("machines/prod-s1/" + std::string(name) + half),
                    fs::copy_options::overwrite_existing);
    }
    const std::string user = std::string(name) == "ssh/postgres" ? "postgres@" : "";
    const std::string file = entry("machines/prod-s1/" + std::string(name)).native();
    EXPECT_EQ(machine_complaint(sharing("prod-s1", "web-master")),
              fmt::format("{1}: is the key of '{0}prod-s2', but must be that of '{0}prod-s1'\nhint: if files were swapped put "
                          "them back; a key of your own is named by: ssh-keygen -c -C '{0}prod-s1' -f '{1}'",
                          user, file));
    for (const char* half : {"", ".pub"}) fs::remove(file + half);
    const SshKeyPair own = make_ssh_key(user + "prod-s1");  // what a person would do
    io::write_file(file, own.private_key.reveal(), 0600);
    io::write_file(file + ".pub", own.public_key + "\n", 0600);
    EXPECT_NO_THROW((void)open().machine(sharing("prod-s1", "web-master")));
  }
}

TEST_F(VaultFolder, SaysWhatMachinesOfOneCertificateNeed) {
  const VaultNeeds needs{.machines = {sharing("prod-s1", "web-master"), sharing("prod-s2", "web-slave")}};
  EXPECT_EQ(Vault::would_make(path_, needs, options()),
            (std::vector<std::string>{"shared/web/tls.key", "machines/prod-s1/ssh_host_ed25519_key", "machines/prod-s1/ssh/postgres",
                                      "machines/prod-s1/ssh/ballotbox", "machines/prod-s2/ssh_host_ed25519_key",
                                      "machines/prod-s2/ssh/postgres", "machines/prod-s2/ssh/ballotbox"}));
}

TEST_F(VaultFolder, SaysWhatItWouldMakeWithoutMakingIt) {
  const VaultNeeds needs{.passwords = {"a_password", "b_password"}, .machines = {master()}};
  EXPECT_EQ(Vault::would_make(path_, needs, options()),
            (std::vector<std::string>{"passwords/a_password", "passwords/b_password", "machines/prod-s1/tls.key",
                                      "machines/prod-s1/ssh_host_ed25519_key"}));
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(VaultFolder, WouldMakeOnlyWhatIsMissing) {
  (void)open().secret("a_password");
  (void)open().machine(master());
  const std::set<std::string> before = all_entries();
  EXPECT_EQ(Vault::would_make(path_, {.passwords = {"a_password", "b_password"}, .machines = {master()}}, options()),
            std::vector<std::string>{"passwords/b_password"});
  EXPECT_EQ(all_entries(), before);
}

TEST_F(VaultFolder, SaysBeforehandThatItMayNotHoldTwoAuthorities) {
  const VaultNeeds needs{.machines = {authority("prod-a1"), authority("prod-a2")}};
  EXPECT_EQ(complaint_of([&] { (void)Vault::would_make(path_, needs, options()); }),
            path_.native() +
                ": holds the keys of authority 'prod-a1' and must not hold those of 'prod-a2' too\nhint: mark the machine "
                "'external: true' and let its trustee build it, give it 'keys: machine', or say 'lab: true' for a trial");
}

TEST_F(VaultFolder, SaysBeforehandThatAPairIsHalf) {
  (void)open().machine(master());
  fs::remove(entry("machines/prod-s1/tls.crt"));
  EXPECT_THROW((void)Vault::would_make(path_, {.machines = {master()}}, options()), Error);
}

TEST_F(VaultFolder, RemovesWhatAKilledRunLeft) {
  (void)open().machine(master());
  const std::set<std::string> before = all_entries();
  io::write_file(entry("machines/prod-s1/.tls.key.0123abcd"), "half", 0600);
  (void)open();
  EXPECT_EQ(all_entries(), before);
}

TEST_F(VaultFolder, GivesFourProcessesTheSamePasswordAndKeys) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const Vault vault = Vault::open_or_make(path_, options());
      const std::string result = vault.secret("password").reveal() + vault.machine(master()).tls->certificate;
      io::write_file(folder_.path() / fmt::format("result-{}", i), result, 0600);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  const std::string expected = open().secret("password").reveal() + open().machine(master()).tls->certificate;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(io::read_file(folder_.path() / fmt::format("result-{}", i)), expected);
}

}  // namespace
}  // namespace imgbuild
