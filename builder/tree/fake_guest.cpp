#include "tree/fake_guest.h"

namespace imgbuild {

CommandResult FakeGuest::run(const GuestCommand& command) {
  std::string line = command.program;
  for (const std::string& argument : command.arguments) line += " " + argument;
  commands_.push_back(line);
  CommandResult result = answer_ ? answer_(command, *this) : CommandResult{};
  if (command.on_line) for_each_line(result.out + result.err, command.on_line);
  return result;
}

}  // namespace imgbuild
