#include "recipe/environment.h"

#include <fmt/format.h>

#include "util/digest.h"

namespace imgbuild {

std::filesystem::path vault_folder(const Environment& environment) {
  return std::filesystem::path(environment.file).replace_extension(".vault");
}

const Machine* find_machine(const Environment& environment, const std::string& name) {
  for (const Machine& machine : environment.machines)
    if (machine.name == name) return &machine;
  return nullptr;
}

bool is_web(const std::string& role) { return role == kMasterRole || role == kSlaveRole; }

std::string internal_mac(const Environment& environment, const Machine& machine) {
  const std::string digest = sha256(fmt::format("{}/{}/internal", environment.deployment, machine.name));
  return fmt::format("52:54:00:{}:{}:{}", digest.substr(0, 2), digest.substr(2, 2), digest.substr(4, 2));
}

std::string internal_address(const Environment& environment, const Machine& machine) {
  const std::string& network = environment.internal_network;
  return machine.private_ip + network.substr(network.find('/'));
}

}  // namespace imgbuild
