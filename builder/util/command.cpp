#include "util/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "util/error.h"
#include "util/interrupt.h"

extern char** environ;

namespace imgbuild {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kErrTail = 64 << 10;
constexpr std::chrono::milliseconds kGrace{3000};

struct Pipe {
  io::File read_end;
  io::File write_end;
};

Pipe make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw system_error(errno, "cannot make a pipe");
  return {io::File(fds[0], "pipe"), io::File(fds[1], "pipe")};
}

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

struct Descriptors {
  int input;
  int out;
  int err;
  int start_error;  ///< pipe that carries errno when exec fails
};

/// In the child. Only async-signal-safe calls from here to exec.
[[noreturn]] void become(const Command& command, const char* program, char** argv, char** envp, Descriptors fds,
                         pid_t parent) {
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
  (void)!::write(fds.start_error, &error, sizeof error);
  ::_exit(127);
}

pid_t start(const Command& command, Descriptors fds) {
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
  fds.start_error = start_error.write_end.fd();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw system_error(errno, fmt::format("cannot start '{}'", command.program));
  if (pid == 0) {
    become(command, program->c_str(), const_cast<char**>(argv.data()), const_cast<char**>(envp.data()), fds, parent);
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

void set_status(CommandResult& result, int status) {
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
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

/// Passes whole lines on and keeps the rest.
class LineSplitter {
 public:
  explicit LineSplitter(const std::function<void(std::string_view)>& sink) : sink_(sink) {}
  void add(std::string_view bytes) {
    if (!sink_) return;
    rest_ += bytes;
    std::size_t start_of_line = 0;
    for (std::size_t end; (end = rest_.find('\n', start_of_line)) != std::string::npos; start_of_line = end + 1) {
      sink_(std::string_view(rest_).substr(start_of_line, end - start_of_line));
    }
    rest_.erase(0, start_of_line);
  }
  void finish() {
    if (sink_ && !rest_.empty()) sink_(rest_);
  }

 private:
  const std::function<void(std::string_view)>& sink_;
  std::string rest_;
};

/// Moves bytes between a child and us until it closed its ends.
class Conversation {
 public:
  Conversation(const Command& command, Pipe& input, Pipe& out, Pipe& err)
      : command_(command), input_(input), out_(out), err_(err), out_lines_(command.on_line), err_lines_(command.on_line) {}

  /// False when the deadline passed first. Throws Interrupted.
  bool run(std::optional<Clock::time_point> deadline, CommandResult& result) {
    if (command_.input.empty()) input_.write_end = io::File(-1, {});
    while (out_.read_end.fd() >= 0 || err_.read_end.fd() >= 0) {
      check_interrupt();
      if (deadline && Clock::now() >= *deadline) return false;
      std::array<pollfd, 3> fds = {pollfd{out_.read_end.fd(), POLLIN, 0}, pollfd{err_.read_end.fd(), POLLIN, 0},
                                   pollfd{input_.write_end.fd(), POLLOUT, 0}};
      (void)::poll(fds.data(), fds.size(), 100);  // wakes for the deadline; EINTR is seen above
      if (fds[0].revents != 0) receive(out_.read_end, result.out, out_lines_);
      if (fds[1].revents != 0) receive(err_.read_end, result.err, err_lines_);
      if (result.err.size() > 2 * kErrTail) result.err.erase(0, result.err.size() - kErrTail);
      if (fds[2].revents != 0) send();
    }
    out_lines_.finish();
    err_lines_.finish();
    return true;
  }

 private:
  static void receive(io::File& file, std::string& text, LineSplitter& lines) {
    std::array<char, 1 << 16> buffer;
    const ssize_t size = ::read(file.fd(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) return;
    if (size <= 0) {
      file = io::File(-1, {});
      return;
    }
    text.append(buffer.data(), static_cast<std::size_t>(size));
    lines.add({buffer.data(), static_cast<std::size_t>(size)});
  }

  void send() {
    const ssize_t put = ::write(input_.write_end.fd(), command_.input.data() + sent_,
                                std::min<std::size_t>(command_.input.size() - sent_, 4096));
    if (put > 0) sent_ += static_cast<std::size_t>(put);
    if (put < 0 && errno == EINTR) return;
    if (put < 0 || sent_ == command_.input.size()) input_.write_end = io::File(-1, {});
  }

  const Command& command_;
  Pipe& input_;
  Pipe& out_;
  Pipe& err_;
  LineSplitter out_lines_;
  LineSplitter err_lines_;
  std::size_t sent_ = 0;
};

std::string last_lines(std::string_view text, int count) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::size_t at = text.size();
  while (at != std::string_view::npos && at > 0 && count-- > 0) at = text.rfind('\n', at - 1);
  return std::string(at == std::string_view::npos || at == 0 ? text : text.substr(at + 1));
}

}  // namespace

CommandResult SystemCommandRunner::run(const Command& command) {
  Pipe input = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  const pid_t pid = start(command, {input.read_end.fd(), out.write_end.fd(), err.write_end.fd(), -1});
  input.read_end = io::File(-1, {});
  out.write_end = io::File(-1, {});
  err.write_end = io::File(-1, {});
  std::optional<Clock::time_point> deadline;
  if (command.timeout) deadline = Clock::now() + *command.timeout;
  CommandResult result;
  try {
    if (Conversation(command, input, out, err).run(deadline, result)) {
      set_status(result, wait_for_end(pid));
    } else {
      result.timed_out = CommandResult::TimedOut::yes;
      set_status(result, end_group(pid, kGrace));
    }
  } catch (...) {
    (void)end_group(pid, kGrace);  // the exception on its way says more than the status
    throw;
  }
  if (result.err.size() > kErrTail) result.err.erase(0, result.err.size() - kErrTail);
  return result;
}

Error command_error(const Command& command, const CommandResult& result) {
  const std::string how = result.timed_out == CommandResult::TimedOut::yes
                              ? fmt::format("took longer than {}", format_duration(*command.timeout))
                          : result.signal != 0 ? fmt::format("ended by signal {} ({})", result.signal, ::strsignal(result.signal))
                                               : fmt::format("ended with exit status {}", result.exit_status);
  const std::string tail = last_lines(result.err.empty() ? result.out : result.err, 20);
  return Error(ExitCode::step_failed, "{} {}{}{}", fs::path(command.program).filename().native(), how,
               tail.empty() ? "" : ":\n", tail);
}

CommandResult run_checked(CommandRunner& runner, const Command& command) {
  CommandResult result = runner.run(command);
  if (!result.succeeded()) throw command_error(command, result);
  return result;
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

Process::Process(const Command& command, const io::File* output) {
  const io::File null(::open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");
  const int fd = output == nullptr ? null.fd() : output->fd();
  pid_ = start(command, {null.fd(), fd, fd, -1});
}

Process::~Process() { terminate(kGrace); }

std::optional<CommandResult> Process::poll() {
  int status = 0;
  if (!result_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    result_.emplace();
    set_status(*result_, status);
  }
  return result_;
}

void Process::terminate(std::chrono::milliseconds grace) {
  if (poll()) return;
  const int status = end_group(pid_, grace);
  result_.emplace();
  set_status(*result_, status);
}

}  // namespace imgbuild
