#pragma once

namespace imgbuild {

/// Runs one command and returns the exit status (util/error.h). Results go to stdout; errors are printed once, to stderr,
/// as "imgbuild: MESSAGE", context lines and hint.
[[nodiscard]] int run_command_line(int argc, char** argv);

}  // namespace imgbuild
