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

void for_each_line(std::string_view text, const std::function<void(std::string_view)>& sink) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    sink(text.substr(at, end - at));
    at = end + 1;
  }
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
