#include "util/error.h"

#include <cerrno>
#include <cstring>

#include "util/interrupt.h"

namespace imgbuild {

std::string Error::describe() const {
  std::string text = what();
  for (const std::string& line : context_) text += "\n  while " + line;
  if (!hint_.empty()) text += "\nhint: " + hint_;
  return text;
}

Error system_error(int error_number, const std::string& message) {
  if (error_number == EINTR) check_interrupt();
  const ExitCode code = error_number == ENOSPC ? ExitCode::host_unfit : ExitCode::step_failed;
  Error error(code, "{}: {}", message, std::strerror(error_number));
  if (error_number == ENOSPC) error.set_hint("free some disk space, or set XDG_CACHE_HOME or -o to a larger disk");
  return error;
}

}  // namespace imgbuild
