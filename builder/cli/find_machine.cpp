#include "cli/find_machine.h"

#include <vector>

#include "util/error.h"
#include "util/suggest.h"

namespace imgbuild {

const Machine& require_machine(const Environment& environment, const std::string& name) {
  if (const Machine* machine = find_machine(environment, name)) return *machine;
  std::vector<std::string> names;
  for (const Machine& machine : environment.machines) names.push_back(machine.name);
  throw Error(ExitCode::bad_input, "{}: there is no machine '{}'{}", environment.file.native(), name, did_you_mean(name, names));
}

}  // namespace imgbuild
