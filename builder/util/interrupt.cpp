#include "util/interrupt.h"

#include <csignal>
#include <unistd.h>

#include "util/error.h"

namespace imgbuild {
namespace {

volatile std::sig_atomic_t received = 0;
volatile std::sig_atomic_t count = 0;

void on_signal(int signal) {
  received = signal;
  count = count + 1;
  if (count > 1) _exit(128 + signal);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = on_signal;  // no SA_RESTART: blocking calls return EINTR and notice
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int interrupt_signal() { return received; }

void check_interrupt() {
  if (received != 0) throw Interrupted{received};
}

void acknowledge_interrupt() { received = 0; }

}  // namespace imgbuild
