#include "tree/guest.h"

#include <algorithm>
#include <sstream>

namespace imgbuild {

Error guest_command_error(const GuestCommand& command, const CommandResult& result) {
  Command shown{.program = command.program, .arguments = command.arguments};
  shown.timeout = command.timeout;
  return command_error(shown, result);
}

CommandResult run_checked(Guest& guest, const GuestCommand& command) {
  CommandResult result = guest.run(command);
  if (!result.succeeded()) throw guest_command_error(command, result);
  return result;
}

std::vector<InstalledPackage> installed_packages(Guest& guest) {
  const CommandResult result = run_checked(
      guest, {.program = "dpkg-query",
              .arguments = {"--show", "--showformat=${db:Status-Status}\\t${Package}\\t${Version}\\t${Architecture}\\n"}});
  std::vector<InstalledPackage> packages;
  std::istringstream lines(result.out);
  for (std::string status, name, version, architecture; std::getline(lines, status, '\t') &&
                                                        std::getline(lines, name, '\t') &&
                                                        std::getline(lines, version, '\t') &&
                                                        std::getline(lines, architecture);) {
    if (status == "installed") packages.push_back({name, version, architecture});
  }
  std::sort(packages.begin(), packages.end());
  return packages;
}

}  // namespace imgbuild
