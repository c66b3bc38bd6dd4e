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
constexpr std::int64_t kMostNodeId = 1'000'000;

/// Where nothing is built, these would say nothing.
constexpr const char* kBuiltOnly[] = {"disk", "memory", "cpus", "keys"};

std::string title(int number) { return fmt::format("machine {}", number); }

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
  if (const std::optional<std::int64_t> id = fields.integer("node_id", 1, kMostNodeId))
    machine.node_id = static_cast<unsigned>(*id);
  read_flags(fields, node, machine);
  return machine;
}

}  // namespace imgbuild
