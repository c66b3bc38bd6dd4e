#include "seed/view.h"

namespace imgbuild {

namespace {

enum class Whose { own, any };

yaml::Node text_map(const std::map<std::string, std::string>& texts) {
  yaml::Node node = yaml::map({});
  for (const auto& [name, text] : texts) yaml::set(node, name, yaml::string(text));
  return node;
}

yaml::Node machine_node(const Machine& machine, Whose whose) {
  yaml::Node node = yaml::map({{"name", yaml::string(machine.name)},
                               {"role", yaml::string(machine.role)},
                               {"private_ip", yaml::string(machine.private_ip)}});
  if (!machine.public_ip.empty()) yaml::set(node, "public_ip", yaml::string(machine.public_ip));
  if (machine.director == Machine::Director::yes) yaml::set(node, "director", yaml::boolean(true));
  if (whose == Whose::any && machine.external == Machine::External::yes) {
    yaml::set(node, "external", yaml::boolean(true));
  }
  if (machine.node_id) yaml::set(node, "node_id", yaml::number(*machine.node_id));
  return node;
}

yaml::Node all_machines(const SeedInput& input) {
  std::vector<yaml::Node> machines;
  for (const Machine& machine : input.environment.machines) {
    machines.push_back(machine_node(machine, Whose::any));
    const auto keys = input.public_ssh_keys.find(machine.name);
    if (keys != input.public_ssh_keys.end()) yaml::set(machines.back(), "ssh", text_map(keys->second));
  }
  return yaml::list(std::move(machines));
}

yaml::Node network_node(const Environment& environment) {
  yaml::Node node = yaml::map({{"internal", yaml::string(environment.internal_network)},
                               {"ops", yaml::strings(environment.ops_networks)}});
  const std::vector<std::string>& balancers = environment.load_balancers;
  if (!balancers.empty()) yaml::set(node, "load_balancers", yaml::strings(balancers));
  return node;
}

yaml::Node settings_node(const std::map<std::string, Secret>& settings) {
  yaml::Node node = yaml::map({});
  for (const auto& [name, value] : settings) yaml::set(node, name, yaml::string(value.reveal()));
  return node;
}

}  // namespace

yaml::Node environment_view(const SeedInput& input, const std::string& seed, const std::string& instance) {
  const Environment& environment = input.environment;
  const yaml::Node ops = yaml::map({{"name", yaml::string(kOpsUser)},
                                    {"ssh_authorized_keys", yaml::strings(environment.ssh_authorized_keys)}});
  return yaml::map({{"version", yaml::number(1)},
                    {"deployment", yaml::string(environment.deployment)},
                    {"domain", yaml::string(environment.domain)},
                    {"timezone", yaml::string(environment.timezone)},
                    {"seed", yaml::string(seed)},
                    {"instance", yaml::string(instance)},
                    {"machine", machine_node(input.machine, Whose::own)},
                    {"network", network_node(environment)},
                    {"machines", all_machines(input)},
                    {"users", yaml::list({ops})},
                    {"settings", settings_node(input.settings)}});
}

}  // namespace imgbuild
