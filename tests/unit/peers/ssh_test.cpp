#include "peers/ssh.h"

#include <gtest/gtest.h>

#include <fmt/ranges.h>

#include <algorithm>

#include "complaint.h"
#include "unit/peers/deployment.h"

namespace imgbuild::test {
namespace {
namespace fs = std::filesystem;

/// Answers what it was told to.
class FakeRunner : public CommandRunner {
 public:
  CommandResult run(const Command& command) override {
    asked = command;
    return answer;
  }
  Command asked;
  CommandResult answer;
};

class SshToMachines : public testing::Test {
 protected:
  SshToMachines() {
    environment_.file = folder_.path() / "prod.yml";
    for (const char* name : {"prod-s1", "prod-s2", "prod-a1"}) {
      fs::path folder = folder_.path() / "prod.vault";
      for (const char* part : {"", "machines", name}) {
        folder /= part;
        fs::create_directory(folder);
        fs::permissions(folder, fs::perms::owner_all);
      }
      io::write_file(folder / "ssh_host_ed25519_key.pub", fmt::format("ssh-ed25519 KEY-{} {}\n", name, name), 0600);
    }
  }

  [[nodiscard]] const Machine& machine(const char* name) const { return *find_machine(environment_, name); }
  [[nodiscard]] std::vector<const Machine*> machines() const {
    return {&machine("prod-s1"), &machine("prod-s2"), &machine("prod-a1"), &machine("prod-a2")};
  }
  [[nodiscard]] Ssh ssh(SshOptions options = {}) { return Ssh(environment_, machines(), std::move(options), runner_); }
  /// From the destination on.
  [[nodiscard]] static std::string end_of(const Command& command) {
    const auto end = std::ranges::find(command.arguments, "--");
    return fmt::format("{}", fmt::join(end, command.arguments.end(), " "));
  }
  [[nodiscard]] static std::string all_of(const Command& command) { return fmt::format(" {} ", fmt::join(command.arguments, " ")); }
  [[nodiscard]] SshAnswer answer(CommandResult result) {
    runner_.answer = std::move(result);
    return ssh().run(machine("prod-s1"), {.words = {"true"}});
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "ssh-test"};
  Environment environment_ = deployment();
  FakeRunner runner_;
};

TEST_F(SshToMachines, KnowsTheHostKeysOfTheVaultAndNoOthers) {
  EXPECT_EQ(known_hosts(vault_folder(environment_), machines()),
            "prod-s1 ssh-ed25519 KEY-prod-s1\nprod-s2 ssh-ed25519 KEY-prod-s2\nprod-a1 ssh-ed25519 KEY-prod-a1\n");
}

TEST_F(SshToMachines, NeedsTheHostKeysOfOurMachines) {
  fs::remove(vault_folder(environment_) / "machines/prod-s2/ssh_host_ed25519_key.pub");
  EXPECT_EQ(complaint_of([&] { (void)known_hosts(vault_folder(environment_), machines()); }),
            vault_folder(environment_).native() +
                ": holds no ssh host key of 'prod-s2'\nhint: imgbuild seed makes it, and the machine must be started with that "
                "seed; a machine that somebody else builds is 'external: true'");
}

TEST_F(SshToMachines, RefusesAVaultOpenToOthers) {
  fs::permissions(vault_folder(environment_), fs::perms(0755));
  const std::string vault = vault_folder(environment_).native();
  EXPECT_EQ(complaint_of([&] { (void)known_hosts(vault, machines()); }),
            fmt::format("{}: is open to others, with mode 0755\nhint: chmod 0700 '{}', and replace what others may have read", vault, vault));
}

TEST_F(SshToMachines, LogsInAsOpsAtThePrivateAddress) {
  const Command command = ssh().command(machine("prod-s1"), {.words = {"sudo", "-n", "eopeers"}, .input = "x"});
  EXPECT_EQ(end_of(command), "-- 192.168.50.4 sudo -n eopeers");
  EXPECT_EQ(command.input, "x");
  EXPECT_NE(all_of(command).find(" -l ops "), std::string::npos);
}

TEST_F(SshToMachines, ChecksTheHostKeyByTheMachinesName) {
  const std::string words = all_of(ssh().command(machine("prod-s1"), {.words = {"true"}}));
  for (const char* option : {"BatchMode=yes", "StrictHostKeyChecking=yes", "HostKeyAlias=prod-s1", "GlobalKnownHostsFile=/dev/null",
                             "KnownHostsCommand=none", "ForwardAgent=no"}) {
    EXPECT_NE(words.find(fmt::format(" -o {} ", option)), std::string::npos) << option;
  }
}

/// The value of ControlPath for a machine.
std::string control_path(const Ssh& ssh, const Machine& machine) {
  for (const std::string& word : ssh.command(machine, {.words = {"true"}}).arguments) {
    if (word.starts_with("ControlPath=")) return word.substr(word.find('=') + 1);
  }
  return "";
}

TEST_F(SshToMachines, SharesOneConnectionAMachineInAFolderOfItsOwn) {
  const Ssh first = ssh();
  const Ssh second = ssh();
  EXPECT_EQ(control_path(first, machine("prod-s1")), control_path(first, machine("prod-s1")));
  EXPECT_NE(control_path(first, machine("prod-s1")), control_path(first, machine("prod-s2")));
  EXPECT_NE(control_path(first, machine("prod-s1")), control_path(second, machine("prod-s1")));
  const std::string quoted = control_path(first, machine("prod-s1"));
  EXPECT_EQ(fs::status(fs::path(quoted.substr(1, quoted.size() - 2)).parent_path()).permissions(), fs::perms::owner_all);
}

TEST_F(SshToMachines, SharesNoneWhereThePathOfASocketIsTooLong) {
  const io::TemporaryDirectory folder(fs::temp_directory_path(), std::string(60, 'x'));
  ASSERT_EQ(::setenv("TMPDIR", folder.path().c_str(), 1), 0);
  const std::string path = control_path(ssh(), machine("prod-s1"));
  ASSERT_EQ(::unsetenv("TMPDIR"), 0);
  EXPECT_EQ(path, "none");
}

TEST_F(SshToMachines, TakesTheUsersKnownHostsForExternalMachines) {
  const std::string words = all_of(ssh().command(machine("prod-a2"), {.words = {"true"}}));
  EXPECT_EQ(words.find("KnownHosts"), std::string::npos) << words;
  EXPECT_NE(words.find(" -o StrictHostKeyChecking=yes "), std::string::npos);
}

TEST_F(SshToMachines, TakesThePublicAddressWhereThereIsOne) {
  const SshOptions options = {.address = SshOptions::Address::public_ip};
  EXPECT_EQ(end_of(ssh(options).command(machine("prod-s1"), {.words = {"true"}})), "-- 203.0.113.4 true");
  EXPECT_EQ(end_of(ssh(options).command(machine("prod-s2"), {.words = {"true"}})), "-- 192.168.50.5 true");
}

TEST_F(SshToMachines, GoesByNameWithAConfiguration) {
  const Command command = ssh({.config = "my-config"}).command(machine("prod-s1"), {.words = {"true"}});
  EXPECT_EQ(end_of(command), "-- prod-s1 true");
  EXPECT_NE(all_of(command).find(" -F my-config "), std::string::npos);
}

TEST_F(SshToMachines, RefusesWordsThatAShellReadsOtherwise) {
  const std::vector<std::pair<const char*, const char*>> words = {{"", ""}, {"a b", "a b"}, {"$(reboot)", "$(reboot)"}, {"a;b", "a;b"},
                                                                  {"a\nb", "a; b"}};
  for (const auto& [word, shown] : words) {
    EXPECT_EQ(complaint_of([&] { (void)ssh().command(machine("prod-s1"), {.words = {word}}); }),
              fmt::format("'{}' can't be part of a command", shown));
  }
}

TEST_F(SshToMachines, IsAcceptedByTheRealSsh) {
  const Command command = ssh().command(machine("prod-s1"), {.words = {"true"}});
  std::vector<std::string> arguments = {"-G"};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  SystemCommandRunner real;
  const std::string said = "\n" + run_checked(real, {.program = "ssh", .arguments = arguments}).out;
  for (const char* line : {"\nhost 192.168.50.4\n", "\nuser ops\n", "\nstricthostkeychecking true\n", "\nhostkeyalias prod-s1\n",
                           "\nglobalknownhostsfile /dev/null\n", "\nbatchmode yes\n", "\nhostkeyalgorithms ssh-ed25519\n"}) {
    EXPECT_NE(said.find(line), std::string::npos) << line << said;
  }
}

TEST_F(SshToMachines, TellsTheWaysToFailApart) {
  using enum SshAnswer::Outcome;
  EXPECT_EQ(answer({.exit_status = 255, .err = "Connection refused\r\n"}).outcome, unreachable);
  EXPECT_EQ(answer({.exit_status = 255, .err = "Connection refused\r\n"}).problem, "Connection refused");
  EXPECT_EQ(answer({.exit_status = 255, .err = "Host key verification failed.\n"}).outcome, mistrusted);
  EXPECT_EQ(answer({.exit_status = 255, .err = "Host key verification failed.\n"}).problem, "its ssh host key is not the one in the vault");
  EXPECT_EQ(answer({.exit_status = -1, .timed_out = CommandResult::TimedOut::yes}).problem, "did not answer within 3 min 00 s");
  EXPECT_EQ(answer({.exit_status = -1, .too_long = CommandResult::TooLong::yes}).outcome, too_long);
  EXPECT_EQ(answer({.exit_status = 1}).outcome, answered);
  EXPECT_EQ(answer({.exit_status = 1}).problem, "ended with exit status 1");
  EXPECT_EQ(answer({.exit_status = 0, .out = "x", .err = "a warning"}).problem, "");
}

}  // namespace
}  // namespace imgbuild::test
