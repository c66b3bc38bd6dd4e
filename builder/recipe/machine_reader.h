#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "recipe/address.h"
#include "recipe/environment.h"
#include "recipe/recipe.h"
#include "util/yaml_fields.h"

namespace imgbuild {

/// A machine and where it stands in the file.
struct PlacedMachine {
  Machine machine;
  const yaml::Node* node;
  int number;  ///< from 1
};

/// What machines of a deployment are judged by.
struct MachineRules {
  std::vector<std::string> roles;
  KeyOrigin keys;  ///< of machines that don't say
  Environment::Lab lab;
  std::optional<Cidr> internal;  ///< none: it was wrong itself
};

/// One machine by itself. Keys that are wrong stay empty.
[[nodiscard]] Machine read_machine(FileProblems& problems, const yaml::Node& node, int number,
                                   const MachineRules& rules);

/// Gives each web machine that has none its node id: its place among them, from 1.
void number_web_machines(std::vector<PlacedMachine>& machines);

/// What machines must be to each other and to the network: unique names, addresses and node ids, inside it, one master
/// where somebody follows it, one director where there are authorities, authorities not in one vault.
void check_machines(FileProblems& problems, const std::vector<PlacedMachine>& machines,
                    const MachineRules& rules);

/// Where a private key is made: "seed" or "machine".
[[nodiscard]] std::optional<KeyOrigin> read_key_origin(const yaml::Fields& fields);

}  // namespace imgbuild
