#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "util/io.h"
#include "util/status.h"

namespace imgbuild {

/// Work to be done in a process of its own, beside other such work.
struct Job {
  std::string name;  ///< for messages
  /// Runs in the child, whose events come to 'status'. What it returns comes back to us. It may throw Error and Interrupted.
  std::function<std::string(Status&)> work;
  Status* status;  ///< in this process: hears what the child says
};

/// Does all jobs, at most 'most' at once, in the order given, each in a forked child: what a job changes in its memory,
/// its signals and its current folder stay its own, and so does the flag of an interrupt. Returns what they returned, in the
/// jobs' order. We must have one thread only and hold no lock that a job wants.
///
/// The first error ends the others: they get SIGTERM, on which they remove what they have begun, and are waited for; then it
/// is thrown with its code, context and hint. The same when we are interrupted. A terminal's Ctrl-C comes to us alone, for
/// each child has its own process group; if we are killed, the children get SIGTERM from the kernel.
[[nodiscard]] std::vector<std::string> run_jobs(const std::vector<Job>& jobs, std::size_t most);

}  // namespace imgbuild
