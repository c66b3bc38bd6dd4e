#pragma once

#include <future>
#include <vector>

#include "util/status.h"

namespace imgbuild {

/// Calls 'work' with each item, each in a thread of its own, and shows how many have ended as the stage 'title'. An
/// exception of any is thrown when all have ended.
template <typename Item, typename Work>
void for_each_at_once(const std::vector<Item*>& items, const char* title, Status& status, Work work) {
  if (items.empty()) return;
  status.begin(title);
  std::vector<std::future<void>> running;
  for (Item* item : items) running.push_back(std::async(std::launch::async, work, std::ref(*item)));
  for (std::size_t done = 0; done < running.size(); ++done) {
    running[done].wait();
    status.progress(done + 1, running.size(), "");
  }
  for (std::future<void>& ended : running) ended.get();
  status.end("");
}

}  // namespace imgbuild
