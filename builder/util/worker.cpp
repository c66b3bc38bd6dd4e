#include "util/worker.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "util/error.h"
#include "util/interrupt.h"
#include "util/spawn.h"

namespace imgbuild {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

/// How long a child may take to remove what it has begun: a tree of a gigabyte on a slow disk.
constexpr std::chrono::seconds kGrace{60};
constexpr std::chrono::milliseconds kBetweenProgress{100};

/// Writes events into the pipe, one JSON object a line. If nobody reads any more we are about to be ended: no error.
class PipeStatus : public Status {
 public:
  explicit PipeStatus(int pipe) : pipe_(pipe) {}
  void begin(std::string_view stage) override { send({{"event", "begin"}, {"text", stage}}); }
  void progress(std::uint64_t done, std::uint64_t total, std::string_view detail) override {
    if (Clock::now() - last_ < kBetweenProgress) return;
    last_ = Clock::now();
    send({{"event", "progress"}, {"done", done}, {"total", total}, {"text", detail}});
  }
  void end(std::string_view result) override { send({{"event", "end"}, {"text", result}}); }
  void note(std::string_view message) override { send({{"event", "note"}, {"text", message}}); }

  void send(const Json& event) const {
    const std::string line = event.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
    for (std::size_t sent = 0; sent < line.size();) {
      const ssize_t put = ::write(pipe_, line.data() + sent, line.size() - sent);
      if (put < 0 && errno != EINTR) return;
      if (put > 0) sent += static_cast<std::size_t>(put);
    }
  }

 private:
  int pipe_;
  Clock::time_point last_;
};

/// In the child: does the work and tells its end. Never returns, so that nothing of the parent's is destroyed twice.
[[noreturn]] void do_work(const Job& job, int pipe, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  catch_interrupts();  // whatever the parent does with signals
  PipeStatus status(pipe);
  try {
    const std::string result = job.work(status);
    status.send({{"event", "result"}, {"text", result}});
    ::_exit(0);
  } catch (const Interrupted& interrupted) {
    ::_exit(128 + interrupted.signal);
  } catch (const Error& error) {
    status.send({{"event", "error"}, {"text", error.what()}, {"code", static_cast<int>(error.code())},
                 {"context", error.context()}, {"hint", error.hint()}});
  } catch (const std::exception& error) {
    status.send({{"event", "error"}, {"text", error.what()}, {"code", static_cast<int>(ExitCode::step_failed)},
                 {"context", Json::array()}, {"hint", ""}});
  }
  ::_exit(1);
}

Error error_from(const Json& event) {
  Error error(static_cast<ExitCode>(event.at("code").get<int>()), "{}", event.at("text").get<std::string>());
  for (const Json& line : event.at("context")) error.add_context(line);
  error.set_hint(event.at("hint"));
  return error;
}

/// A child at work.
class Worker {
 public:
  Worker(const Job& job, std::size_t place) : number(place), job_(job), read_end_(-1, {}) {
    if (const int fault = io::fault_point()) throw system_error(fault, fmt::format("cannot start a process for '{}'", job.name));
    Pipe pipe = make_pipe();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw system_error(errno, fmt::format("cannot start a process for '{}'", job.name));
    if (pid_ == 0) do_work(job, pipe.write_end.fd(), parent);
    ::setpgid(pid_, pid_);  // here too: whoever comes first
    read_end_ = std::move(pipe.read_end);
  }
  ~Worker() {
    if (!has_ended_) (void)stop();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] int fd() const { return read_end_.fd(); }

  /// Takes in what the child said; true if it has closed its end.
  [[nodiscard]] bool receive() {
    char buffer[4096];
    const ssize_t size = ::read(read_end_.fd(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) return false;
    if (size <= 0) return true;
    text_.append(buffer, static_cast<std::size_t>(size));
    for (std::size_t end; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1)) {
      hear(Json::parse(text_.substr(0, end)));
    }
    return false;
  }

  /// After the child has closed its end: what it returned. Throws what it threw.
  [[nodiscard]] std::string finish() {
    const int status = wait_for_end(pid_);
    has_ended_ = true;
    if (error_) throw *error_;
    if (result_) return *result_;
    check_interrupt();  // one that came just before the fork reached both of us
    if (WIFSIGNALED(status)) {
      const int signal = WTERMSIG(status);
      throw Error(ExitCode::step_failed, "the process for '{}' was ended by signal {} ({})", job_.name, signal, ::strsignal(signal));
    }
    throw Error(ExitCode::step_failed, "the process for '{}' ended with exit status {}", job_.name, WEXITSTATUS(status));
  }

  /// Once only: a second signal would end the child at once, with nothing cleaned up.
  void ask_to_stop() {
    if (!std::exchange(is_asked_, true)) ::kill(pid_, SIGTERM);
  }

  /// Asks the child to end and waits until it has cleaned up; kills it if that takes too long.
  int stop() {
    ask_to_stop();
    const Clock::time_point deadline = Clock::now() + kGrace;
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) != pid_) {
      pollfd fds = {read_end_.fd(), POLLIN, 0};
      if (::poll(&fds, 1, 20) > 0) (void)receive();  // else it might wait for room in the pipe
      if (Clock::now() > deadline) ::kill(pid_, SIGKILL);
    }
    has_ended_ = true;
    return status;
  }

  const std::size_t number;  ///< of the job

 private:
  void hear(const Json& event) {
    const std::string kind = event.at("event");
    const std::string text = event.at("text");
    if (kind == "begin") job_.status->begin(text);
    if (kind == "progress") job_.status->progress(event.at("done"), event.at("total"), text);
    if (kind == "end") job_.status->end(text);
    if (kind == "note") job_.status->note(text);
    if (kind == "result") result_ = text;
    if (kind == "error") error_ = error_from(event);
  }

  const Job& job_;
  io::File read_end_;
  pid_t pid_ = -1;
  bool is_asked_ = false;
  bool has_ended_ = false;
  std::string text_;  ///< the line that is not whole yet
  std::optional<std::string> result_;
  std::optional<Error> error_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

/// Waits until one says something or has ended; puts away those that have ended. Throws what one of them threw.
void serve(Workers& workers, std::vector<std::string>& results) {
  std::vector<pollfd> fds;
  for (const auto& worker : workers) fds.push_back({worker->fd(), POLLIN, 0});
  (void)::poll(fds.data(), fds.size(), 100);  // wakes for the interrupt
  for (std::size_t i = fds.size(); i-- > 0;) {
    if (fds[i].revents == 0 || !workers[i]->receive()) continue;
    results[workers[i]->number] = workers[i]->finish();
    workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace

std::vector<std::string> run_jobs(const std::vector<Job>& jobs, std::size_t most) {
  std::vector<std::string> results(jobs.size());
  Workers workers;
  std::size_t next = 0;
  try {
    while (next < jobs.size() || !workers.empty()) {
      check_interrupt();
      while (next < jobs.size() && workers.size() < most) {
        workers.push_back(std::make_unique<Worker>(jobs[next], next));
        ++next;
      }
      serve(workers, results);
    }
  } catch (...) {
    for (const auto& worker : workers) worker->ask_to_stop();  // all at once, then the destructors wait for each
    throw;
  }
  return results;
}

}  // namespace imgbuild
