#include <fmt/format.h>

#include "recipe/machine_reader.h"

namespace imgbuild {
namespace {

std::string title(int number) { return fmt::format("machine {}", number); }

/// Says what is wrong with one key of one machine, at its place.
void complain(FileProblems& problems, const PlacedMachine& placed, std::string_view key,
              const std::string& wrong, std::string hint = {}) {
  const yaml::Node* value = yaml::find(*placed.node, key);
  problems.add(value == nullptr ? placed.node->at : value->at,
               fmt::format("{}: {}: {}", title(placed.number), key, wrong), std::move(hint));
}

void check_names(FileProblems& problems, const std::vector<PlacedMachine>& machines) {
  std::map<std::string, int> seen;
  for (const PlacedMachine& placed : machines) {
    if (placed.machine.name.empty()) continue;
    const auto [first, is_new] = seen.emplace(placed.machine.name, placed.number);
    if (!is_new)
      complain(problems, placed, "name",
               fmt::format("{} is the name of machine {} already", shown(first->first), first->second));
  }
}

void check_address(FileProblems& problems, const PlacedMachine& placed, std::string_view key,
                   std::map<std::string, int>& seen) {
  const std::string& address = key == "private_ip" ? placed.machine.private_ip : placed.machine.public_ip;
  if (address.empty()) return;
  const auto [first, is_new] = seen.emplace(address, placed.number);
  if (is_new) return;
  complain(problems, placed, key,
           fmt::format("{} is an address of machine {} already", shown(address), first->second));
}

void check_network(FileProblems& problems, const PlacedMachine& placed, const Cidr& internal) {
  const std::optional<IpAddress> address = parse_ip(placed.machine.private_ip);
  if (!address) return;
  const std::string network = format_cidr(internal);
  const std::string shown_address = shown(placed.machine.private_ip);
  if (!contains(internal, *address)) {
    complain(problems, placed, "private_ip",
             fmt::format("{} is not in network.internal '{}'", shown_address, network));
  } else if (is_reserved_in(internal, *address)) {
    complain(problems, placed, "private_ip",
             fmt::format("{} is the network or broadcast address of '{}'", shown_address, network));
  }
}

/// Whom a machine of this role can't do without.
bool follows_a_master(const std::string& role) { return role == kSlaveRole || role == kAuthorityRole; }

void check_single_master(FileProblems& problems, const std::vector<PlacedMachine>& machines) {
  const PlacedMachine* master = nullptr;
  const PlacedMachine* follower = nullptr;
  for (const PlacedMachine& placed : machines) {
    if (placed.machine.role.empty()) return;  // who knows what it was to be
    if (follower == nullptr && follows_a_master(placed.machine.role)) follower = &placed;
    if (placed.machine.role != kMasterRole) continue;
    if (master != nullptr)
      complain(
          problems, placed, "role",
          fmt::format("a deployment has one '{}', machine {} is it already", kMasterRole, master->number));
    else
      master = &placed;
  }
  if (follower == nullptr || master != nullptr) return;
  complain(problems, *follower, "role",
           fmt::format("'{}' needs a machine of role '{}', and there is none", follower->machine.role, kMasterRole),
           fmt::format("add the machine of role '{}'; with 'external: true' if somebody else builds it", kMasterRole));
}

void check_single_director(FileProblems& problems, const std::vector<PlacedMachine>& machines) {
  const PlacedMachine* director = nullptr;
  const PlacedMachine* authority = nullptr;
  for (const PlacedMachine& placed : machines) {
    if (placed.machine.role != kAuthorityRole) continue;
    if (authority == nullptr) authority = &placed;
    if (placed.machine.director == Machine::Director::no) continue;
    if (director != nullptr)
      complain(problems, placed, "director", fmt::format("machine {} is it already", director->number));
    else
      director = &placed;
  }
  if (authority != nullptr && director == nullptr)
    complain(problems, *authority, "director", "no authority is it", "say 'director: true' at exactly one of them");
}

void check_node_ids(FileProblems& problems, const std::vector<PlacedMachine>& machines) {
  std::map<unsigned, int> seen;
  for (const PlacedMachine& placed : machines) {
    if (!placed.machine.node_id) continue;
    const bool is_given = yaml::find(*placed.node, "node_id") != nullptr;
    if (!is_web(placed.machine.role) && !placed.machine.role.empty()) {
      complain(problems, placed, "node_id",
               fmt::format("only machines of role '{}' or '{}' have one, the role is {}", kMasterRole, kSlaveRole,
                           shown(placed.machine.role)));
      continue;
    }
    const auto [first, is_new] = seen.emplace(*placed.machine.node_id, placed.number);
    if (is_new) continue;
    complain(problems, placed, "node_id",
             fmt::format("{}{} is that of machine {} already", *placed.machine.node_id,
                         is_given ? "" : ", its place among the web machines,", first->second),
             is_given ? "" : "give every web machine a 'node_id'");
  }
}

void check_director(FileProblems& problems, const PlacedMachine& placed) {
  const Machine& machine = placed.machine;
  const bool wrong =
      machine.director == Machine::Director::yes && !machine.role.empty() && machine.role != kAuthorityRole;
  if (wrong)
    complain(problems, placed, "director",
             fmt::format("only a machine of role '{}' can be it, the role is {}", kAuthorityRole,
                         shown(machine.role)));
}

void check_authorities(FileProblems& problems, const std::vector<PlacedMachine>& machines) {
  const PlacedMachine* held = nullptr;
  for (const PlacedMachine& placed : machines) {
    const Machine& machine = placed.machine;
    const bool in_vault = machine.role == kAuthorityRole && machine.external == Machine::External::no &&
                          machine.keys == KeyOrigin::seed;
    if (!in_vault) continue;
    if (held != nullptr)
      complain(
          problems, placed, "role",
          fmt::format("the vault would hold the private keys of two authorities, machine {} and this one",
                      held->number),
          "give them 'keys: machine' or 'external: true', or for a trial the whole file 'lab: true'");
    else
      held = &placed;
  }
}

}  // namespace

void number_web_machines(std::vector<PlacedMachine>& machines) {
  unsigned place = 0;
  for (PlacedMachine& placed : machines) {
    if (!is_web(placed.machine.role)) continue;
    ++place;
    if (!placed.machine.node_id) placed.machine.node_id = place;
  }
}

void check_machines(FileProblems& problems, const std::vector<PlacedMachine>& machines,
                    const MachineRules& rules) {
  check_names(problems, machines);
  std::map<std::string, int> addresses;
  for (const PlacedMachine& placed : machines) {
    check_address(problems, placed, "private_ip", addresses);
    check_address(problems, placed, "public_ip", addresses);
    if (rules.internal) check_network(problems, placed, *rules.internal);
    check_director(problems, placed);
  }
  check_single_master(problems, machines);
  check_single_director(problems, machines);
  check_node_ids(problems, machines);
  if (rules.lab == Environment::Lab::no) check_authorities(problems, machines);
}

}  // namespace imgbuild
