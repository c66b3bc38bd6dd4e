#include "cli/ops_files.h"
#include "keys/vault_public.h"
#include "seed/view.h"
#include "util/error.h"

namespace imgbuild {
namespace {

const std::string& address_of(const OpsInput& input, const Machine& machine) {
  const bool is_public = input.address == OpsInput::Address::public_ip && !machine.public_ip.empty();
  return is_public ? machine.public_ip : machine.private_ip;
}

std::string heading(const OpsInput& input) {
  return fmt::format("# Made by `imgbuild ops` for deployment {}; run it again instead of editing.\n", input.environment.deployment);
}

/// ssh replaces words that begin with '%'.
std::string without_tokens(const std::string& path) {
  std::string text;
  for (const char c : path) text += c == '%' ? std::string("%%") : std::string(1, c);
  return text;
}

}  // namespace

std::string short_name(const Environment& environment, const Machine& machine) {
  const std::string prefix = environment.deployment + "-";
  return machine.name.starts_with(prefix) ? machine.name.substr(prefix.size()) : machine.name;
}

std::string ops_ssh_config(const OpsInput& input) {
  std::string text = heading(input);
  for (const Machine& machine : input.environment.machines) {
    text += fmt::format("\nHost {}\n  HostName {}\n  User {}\n", machine.name, address_of(input, machine), kOpsUser);
    if (machine.external == Machine::External::yes) continue;
    text += fmt::format("  HostKeyAlias {}\n  HostKeyAlgorithms ssh-ed25519\n  UserKnownHostsFile \"{}\"\n  CheckHostIP no\n  StrictHostKeyChecking yes\n",
                        machine.name, without_tokens(input.folder / "known_hosts"));
  }
  return text + "\nHost *\n  ForwardAgent no\n  ServerAliveInterval 15\n";
}

std::string ops_hosts(const OpsInput& input) {
  std::string text = heading(input);
  if (input.primary != nullptr) text += fmt::format("# {} is where the primary is: after a promotion say --primary.\n", input.environment.domain);
  for (const Machine& machine : input.environment.machines) {
    const std::string domain = &machine == input.primary ? " " + input.environment.domain : "";
    text += fmt::format("{} {} {}{}\n", address_of(input, machine), machine.name, machine.name + "." + input.environment.domain, domain);
  }
  return text;
}

std::string ops_known_hosts(const OpsInput& input) {
  std::string text;
  for (const Machine& machine : input.environment.machines) {
    if (machine.external == Machine::External::yes) continue;
    const std::filesystem::path vault = vault_folder(input.environment);
    const std::optional<std::string> line = vault_host_key(vault, machine.name);
    if (!line) {
      throw Error(ExitCode::bad_input, "{}: holds no ssh host key of '{}'", vault.native(), machine.name)
          .set_hint(fmt::format("imgbuild seed --env {} makes it", input.environment.file.native()));
    }
    std::string names = machine.name + "," + machine.private_ip;
    if (!machine.public_ip.empty()) names += "," + machine.public_ip;
    text += names + " " + line->substr(0, line->find(' ', line->find(' ') + 1)) + "\n";
  }
  return text;
}

}  // namespace imgbuild
