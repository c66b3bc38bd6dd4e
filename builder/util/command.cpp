#include "util/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "util/error.h"
#include "util/interrupt.h"
#include "util/spawn.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kErrTail = 64 << 10;
constexpr std::chrono::milliseconds kGrace{3000};

void set_status(CommandResult& result, int status) {
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
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

  /// False when the deadline passed first or the output got too long. Throws Interrupted.
  bool run(std::optional<Clock::time_point> deadline, CommandResult& result) {
    if (command_.input.empty()) input_.write_end = io::File(-1, {});
    while (out_.read_end.fd() >= 0 || err_.read_end.fd() >= 0) {
      check_interrupt();
      if (deadline && Clock::now() >= *deadline) {
        result.timed_out = CommandResult::TimedOut::yes;
        return false;
      }
      std::array<pollfd, 3> fds = {pollfd{out_.read_end.fd(), POLLIN, 0}, pollfd{err_.read_end.fd(), POLLIN, 0},
                                   pollfd{input_.write_end.fd(), POLLOUT, 0}};
      (void)::poll(fds.data(), fds.size(), 100);  // wakes for the deadline; EINTR is seen above
      if (fds[0].revents != 0) receive(out_.read_end, result.out, out_lines_);
      if (command_.output_limit && result.out.size() > command_.output_limit->bytes) {
        result.too_long = CommandResult::TooLong::yes;
        return false;
      }
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
  const pid_t pid = spawn(command, {input.read_end.fd(), out.write_end.fd(), err.write_end.fd()});
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
                          : result.too_long == CommandResult::TooLong::yes
                              ? fmt::format("said more than {}", format_byte_size(*command.output_limit))
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

Process::Process(const Command& command, const io::File* output) {
  const io::File null(::open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");
  const int fd = output == nullptr ? null.fd() : output->fd();
  pid_ = spawn(command, {null.fd(), fd, fd});
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
