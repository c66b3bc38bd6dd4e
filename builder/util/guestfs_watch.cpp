#include "util/guestfs_watch.h"

#include <pthread.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

#include "util/interrupt.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

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
    if (reason_ != Reason::none) end_children();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

GuestfsWatch::Reason GuestfsWatch::look() const {
  if (interrupt_signal() != 0) return Reason::interrupted;
  const std::lock_guard lock(mutex_);
  if (deadline_ && Clock::now() > *deadline_) return Reason::deadline;
  if (file_.empty()) return Reason::none;
  std::error_code ignored;  // not there yet
  const std::uintmax_t size = fs::file_size(file_, ignored);
  return !ignored && size > file_limit_.bytes ? Reason::too_long : Reason::none;
}

void GuestfsWatch::end_children() const {
  std::error_code gone;  // threads and processes may end while we look
  for (const fs::directory_entry& task : fs::directory_iterator("/proc/self/task", gone)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) {
      std::ifstream file("/proc/" + std::to_string(child) + "/cmdline");
      const std::string command{std::istreambuf_iterator<char>(file), {}};
      if (command.find(work_.native()) != std::string::npos) (void)::kill(child, SIGKILL);  // gone is fine
    }
  }
}

}  // namespace imgbuild
