#include "util/guestfs_watch.h"

#include <pthread.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "util/interrupt.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

struct Child {
  pid_t pid;
  std::string command;  ///< the whole command line, with NULs
};

/// Children of all our threads that have 'text' in their command line.
std::vector<Child> find_children(const std::string& text) {
  std::vector<Child> found;
  std::error_code gone;  // threads and processes may end while we look
  for (const fs::directory_entry& task : fs::directory_iterator("/proc/self/task", gone)) {
    std::ifstream children(task.path() / "children");
    for (pid_t pid = 0; children >> pid;) {
      std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
      std::string command{std::istreambuf_iterator<char>(file), {}};
      if (command.find(text) != std::string::npos) found.push_back({pid, std::move(command)});
    }
  }
  return found;
}

}  // namespace

GuestfsWatch::GuestfsWatch(fs::path work) : work_(std::move(work)) {
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);  // signals are for the thread that waits
  thread_ = std::thread([this] { watch(); });
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

GuestfsWatch::~GuestfsWatch() {
  stop_ = true;
  thread_.join();
}

void GuestfsWatch::set_deadline(std::optional<std::chrono::milliseconds> limit) {
  const std::lock_guard lock(mutex_);
  time_limit_ = limit.value_or(std::chrono::milliseconds(0));
  deadline_ = limit ? std::optional(Clock::now() + *limit) : std::nullopt;
}

void GuestfsWatch::set_start_limit(std::optional<std::chrono::milliseconds> limit) {
  const std::lock_guard lock(mutex_);
  start_limit_ = limit;
  started_.reset();
}

void GuestfsWatch::reset() {
  set_start_limit({});
  const std::lock_guard lock(mutex_);
  if (reason_ != Reason::interrupted) reason_ = Reason::none;
}

void GuestfsWatch::set_file_limit(fs::path file, ByteSize limit) {
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
  file_limit_ = limit;
}

std::chrono::milliseconds GuestfsWatch::time_limit() const {
  const std::lock_guard lock(mutex_);
  return time_limit_;
}

void GuestfsWatch::watch() {
  while (!stop_) {
    if (reason_ == Reason::none) reason_ = look();
    // Again and again: a launch starts one process after another.
    if (reason_ != Reason::none) {
      for (const Child& child : find_children(work_.native()))
        (void)::kill(child.pid, SIGKILL);  // gone is fine
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

GuestfsWatch::Reason GuestfsWatch::look() {
  if (interrupt_signal() != 0) return Reason::interrupted;
  const std::lock_guard lock(mutex_);
  if (start_limit_ && !started_) {
    for (const Child& child : find_children(work_.native())) {
      if (child.command.find("qemu") != std::string::npos) started_ = Clock::now();
    }
  }
  if (start_limit_ && started_ && Clock::now() > *started_ + *start_limit_) return Reason::start_limit;
  if (deadline_ && Clock::now() > *deadline_) return Reason::deadline;
  if (file_.empty()) return Reason::none;
  std::error_code ignored;  // not there yet
  const std::uintmax_t size = fs::file_size(file_, ignored);
  return !ignored && size > file_limit_.bytes ? Reason::too_long : Reason::none;
}

}  // namespace imgbuild
