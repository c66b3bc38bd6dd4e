#include <algorithm>

#include "boot/boot.h"
#include "util/interrupt.h"

namespace imgbuild {

namespace {

/// How long one round over all machines takes at least, so that waiting costs nothing.
constexpr std::chrono::milliseconds kRound{200};

std::chrono::milliseconds share_of_round(std::size_t machines) {
  return std::max(kRound / static_cast<int>(machines), std::chrono::milliseconds(10));
}

}  // namespace

void wait_until_ready(const std::vector<Boot*>& machines, const StartEvents& events) {
  std::vector<bool> is_decided(machines.size());
  const auto listen_on = [&](std::size_t i) {  // so that it never waits for us to read
    (void)machines[i]->listen_while_running(std::chrono::milliseconds(0),
                                            [&](const ReadyMachine& ready) { events.on_ready(i, ready); });
  };
  while (std::ranges::find(is_decided, false) != is_decided.end()) {
    for (std::size_t i = 0; i < machines.size(); ++i) {
      if (is_decided[i]) {
        listen_on(i);
        continue;
      }
      try {
        const std::optional<ReadyMachine> ready = machines[i]->listen_until_ready(share_of_round(machines.size()));
        if (!ready) continue;
        events.on_ready(i, *ready);
      } catch (const Error& error) {
        events.on_failure(i, error);
      }
      is_decided[i] = true;
    }
  }
}

std::vector<MachineEnd> keep_running(std::vector<Boot*> machines,
                                     const std::function<void(const ReadyMachine&)>& on_ready) {
  std::vector<MachineEnd> ends;
  try {
    while (!machines.empty()) {
      for (std::size_t i = 0; i < machines.size();) {
        const auto patience = share_of_round(machines.size());
        if (const std::optional<MachineEnd> end = machines[i]->listen_while_running(patience, on_ready)) {
          ends.push_back(*end);
          machines.erase(machines.begin() + static_cast<std::ptrdiff_t>(i));
        } else {
          ++i;
        }
      }
    }
  } catch (const Interrupted&) {
    acknowledge_interrupt();  // the ordinary way to end it; stop() must be able to wait
  }
  return ends;
}

}  // namespace imgbuild
