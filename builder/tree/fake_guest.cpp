#include "tree/fake_guest.h"

namespace imgbuild {

CommandResult FakeGuest::run(const GuestCommand& command) {
  std::string line = command.program;
  for (const std::string& argument : command.arguments) line += " " + argument;
  commands_.push_back(line);
  CommandResult result = answer_ ? answer_(command, *this) : CommandResult{};
  if (!command.on_line) return result;
  for (const std::string* text : {&result.out, &result.err}) {
    for (std::size_t at = 0; at < text->size();) {
      const std::size_t end = std::min(text->find('\n', at), text->size());
      command.on_line(std::string_view(*text).substr(at, end - at));
      at = end + 1;
    }
  }
  return result;
}

}  // namespace imgbuild
