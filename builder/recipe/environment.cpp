#include "recipe/environment.h"

namespace imgbuild {

std::filesystem::path vault_folder(const Environment& environment) {
  return std::filesystem::path(environment.file).replace_extension(".vault");
}

const Machine* find_machine(const Environment& environment, const std::string& name) {
  for (const Machine& machine : environment.machines)
    if (machine.name == name) return &machine;
  return nullptr;
}

}  // namespace imgbuild
