#include "util/spawn.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "util/error.h"

extern char** environ;

namespace imgbuild {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

Pipe make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw system_error(errno, "cannot make a pipe");
  return {io::File(fds[0], "pipe"), io::File(fds[1], "pipe")};
}

std::optional<fs::path> find_program(std::string_view name) {
  const char* path = std::getenv("PATH");
  std::string list = fmt::format("{}:/usr/sbin:/sbin:/usr/bin:/bin", path == nullptr ? "" : path);
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    const fs::path candidate = fs::path(list.substr(at, end - at)) / name;
    if (end > at && ::access(candidate.c_str(), X_OK) == 0 && !fs::is_directory(candidate)) return candidate;
    at = end + 1;
  }
  return std::nullopt;
}

namespace {

/// The child's environment: ours, with the additions last and of each name only the last.
std::vector<std::string> merged_environment(const std::vector<std::string>& additions) {
  std::vector<std::string> merged;
  const auto set = [&merged](const std::string& entry) {
    const std::string name = entry.substr(0, entry.find('=') + 1);
    std::erase_if(merged, [&](const std::string& old) { return old.starts_with(name); });
    merged.push_back(entry);
  };
  for (char** entry = environ; *entry != nullptr; ++entry) set(*entry);
  for (const char* entry : {"LC_ALL=C.UTF-8", "TZ=UTC"}) set(entry);
  for (const std::string& entry : additions) set(entry);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// In the child. Only async-signal-safe calls from here to exec.
[[noreturn]] void become(const Command& command, const char* program, char** argv, char** envp, const Descriptors& fds,
                         int start_error, pid_t parent) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_DFL);
  ::umask(022);
  ::dup2(fds.input, 0);
  ::dup2(fds.out, 1);
  ::dup2(fds.err, 2);
  int error = 0;
  if (!command.directory.empty() && ::chdir(command.directory.c_str()) != 0) error = errno;
  if (error == 0 && command.before_exec) error = command.before_exec();
  if (error == 0) {
    ::execve(program, argv, envp);
    error = errno;
  }
  (void)!::write(start_error, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

pid_t spawn(const Command& command, const Descriptors& descriptors) {
  if (const int fault = io::fault_point()) throw system_error(fault, fmt::format("cannot start '{}'", command.program));
  const bool is_path = command.program.find('/') != std::string::npos;
  // A path is looked up by the child, for before_exec may have changed the root.
  const std::optional<fs::path> program = is_path ? fs::path(command.program) : find_program(command.program);
  if (!program) throw Error(ExitCode::host_unfit, "program '{}' is not installed", command.program);
  std::vector<std::string> arguments = {command.program};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment = merged_environment(command.environment);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(environment);
  Pipe start_error = make_pipe();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw system_error(errno, fmt::format("cannot start '{}'", command.program));
  if (pid == 0) {
    become(command, program->c_str(), const_cast<char**>(argv.data()), const_cast<char**>(envp.data()), descriptors,
           start_error.write_end.fd(), parent);
  }
  start_error.write_end = io::File(-1, {});
  int error = 0;
  ssize_t got;
  do {
    got = ::read(start_error.read_end.fd(), &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof error) {
    (void)::waitpid(pid, nullptr, 0);
    throw system_error(error, fmt::format("cannot start '{}'", command.program));
  }
  return pid;
}

int wait_for_end(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

/// SIGTERM to the group, SIGKILL after the grace; returns the wait status.
int end_group(pid_t pid, std::chrono::milliseconds grace) {
  ::kill(-pid, SIGTERM);
  const Clock::time_point deadline = Clock::now() + grace;
  int status = 0;
  while (Clock::now() < deadline) {
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      ::kill(-pid, SIGKILL);  // whatever of its group is left
      return status;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(-pid, SIGKILL);
  return wait_for_end(pid);
}

}  // namespace imgbuild
