#include "recipe/machine_reader.h"

#include <fmt/format.h>

#include "recipe/read_common.h"
#include "recipe/schema.h"
#include "recipe/text_rules.h"

namespace imgbuild {
namespace {

constexpr ByteSize kLeastMemory = 256_MiB;
constexpr ByteSize kMostMemory = 4096_GiB;
constexpr std::int64_t kMostCpus = 256;

/// Where nothing is built, these would say nothing.
constexpr const char* kBuiltOnly[] = {"disk", "memory", "cpus", "keys"};

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

void check_single_master(FileProblems& problems, const std::vector<PlacedMachine>& machines) {
  const PlacedMachine* master = nullptr;
  for (const PlacedMachine& placed : machines) {
    if (placed.machine.role != kMasterRole) continue;
    if (master != nullptr)
      complain(
          problems, placed, "role",
          fmt::format("a deployment has one '{}', machine {} is it already", kMasterRole, master->number));
    else
      master = &placed;
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

void read_flags(const yaml::Fields& fields, const yaml::Node& node, Machine& machine) {
  if (fields.boolean("director").value_or(false)) machine.director = Machine::Director::yes;
  if (!fields.boolean("external").value_or(false)) return;
  machine.external = Machine::External::yes;
  for (const char* key : kBuiltOnly)
    if (yaml::find(node, key) != nullptr)
      fields.problem(key, "says nothing, for an external machine is not built here");
}

}  // namespace

std::optional<KeyOrigin> read_key_origin(const yaml::Fields& fields) {
  const std::optional<std::string> word =
      read_choice(fields, "keys", {.what = "place", .known = {"seed", "machine"}});
  if (!word) return std::nullopt;
  return *word == "seed" ? KeyOrigin::seed : KeyOrigin::machine;
}

Machine read_machine(FileProblems& problems, const yaml::Node& node, int number, const MachineRules& rules) {
  const std::string name = title(number);
  const yaml::Fields fields(problems, node, name, schema::kMachine, name + ": ");
  Machine machine;
  machine.name = fields.text("name", rules::kHostName).value_or("");
  if (machine.name == "localhost") fields.problem("name", "must not be 'localhost'");
  machine.role = read_choice(fields, "role", {.what = "role", .known = rules.roles}).value_or("");
  machine.private_ip = fields.text("private_ip", rules::kHostIp).value_or("");
  machine.public_ip = fields.text("public_ip", rules::kHostIp).value_or("");
  machine.disk = read_size(fields, "disk", kLeastDisk, kMostDisk);
  machine.memory = read_size(fields, "memory", kLeastMemory, kMostMemory);
  if (const std::optional<std::int64_t> cpus = fields.integer("cpus", 1, kMostCpus))
    machine.cpus = static_cast<unsigned>(*cpus);
  machine.keys = read_key_origin(fields).value_or(rules.keys);
  read_flags(fields, node, machine);
  return machine;
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
  if (rules.lab == Environment::Lab::no) check_authorities(problems, machines);
}

}  // namespace imgbuild
