#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recipe/environment.h"
#include "util/command.h"
#include "util/io.h"

namespace imgbuild {

struct SshOptions {
  enum class Address { private_ip, public_ip } address = Address::private_ip;
  std::optional<std::filesystem::path> config;  ///< ssh's; then it says how a machine, by its name, is reached
};

/// A command for a machine.
struct SshRequest {
  std::vector<std::string> words;  ///< of letters, digits and -_./=: the shell over there reads them
  std::string input = {};
  std::chrono::milliseconds timeout = std::chrono::minutes(3);
};

/// What came back. All of it was written by another machine.
struct SshAnswer {
  enum class Outcome {
    answered,     ///< the command ran
    unreachable,  ///< no connection, no login, or no end
    mistrusted,   ///< the machine has another host key than is known, or none is known
    too_long,     ///< it said more than anybody wants
  } outcome = Outcome::answered;
  int exit_status = 0;  ///< of the command
  std::string out;
  std::string problem;  ///< what to tell people if it did not answer, or did with an exit status; one harmless line
};

/// ssh to the machines of a deployment, as `ops`, never asking anything. The host keys of our own machines are those of the
/// vault and no others; external ones must be in the user's own known_hosts.
class Ssh {
 public:
  /// Throws Error (bad input) if the vault lacks the host key of one of 'machines' that is ours.
  Ssh(const Environment& environment, const std::vector<const Machine*>& machines, SshOptions options, CommandRunner& runner);

  /// Runs a command. May be called by several threads. Throws Error if ssh can't be started; Interrupted.
  [[nodiscard]] SshAnswer run(const Machine& machine, const SshRequest& request) const;

  /// What is run: for run() and tests.
  [[nodiscard]] Command command(const Machine& machine, const SshRequest& request) const;

 private:
  SshOptions options_;
  CommandRunner& runner_;
  io::TemporaryDirectory folder_;
  std::filesystem::path known_hosts_;
};

/// The text of a known_hosts file: for each machine that is ours a line with its name and key, from the vault in 'folder'.
/// Throws as Ssh.
[[nodiscard]] std::string known_hosts(const std::filesystem::path& folder, const std::vector<const Machine*>& machines);

}  // namespace imgbuild
