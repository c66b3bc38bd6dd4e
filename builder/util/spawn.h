#pragma once

#include <sys/types.h>

#include <chrono>

#include "util/command.h"
#include "util/io.h"

namespace imgbuild {

struct Pipe {
  io::File read_end;
  io::File write_end;
};
[[nodiscard]] Pipe make_pipe();

/// What a child gets as its standard input, output and error.
struct Descriptors {
  int input;
  int out;
  int err;
};

/// Starts 'command' in a session of its own and returns when its program runs. Throws Error if it can't be started.
[[nodiscard]] pid_t spawn(const Command& command, const Descriptors& descriptors);

/// Ends the child's whole group: SIGTERM, after 'grace' SIGKILL. Returns the wait status.
[[nodiscard]] int end_group(pid_t pid, std::chrono::milliseconds grace);

/// Waits without an end. Returns the wait status.
[[nodiscard]] int wait_for_end(pid_t pid);

}  // namespace imgbuild
