#include <csignal>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "util/io.h"

namespace imgbuild::io {
namespace {

/// What IMGBUILD_IO_FAULT asks for; read once, on the first call.
struct FaultPlan {
  unsigned long at = 0;
  int error = 0;
  std::string count_file;
  std::atomic<unsigned long> calls{0};

  FaultPlan() {
    const char* request = std::getenv("IMGBUILD_IO_FAULT");
    if (request == nullptr) return;
    const std::string_view text = request;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return;
    const std::string_view action = text.substr(colon + 1);
    if (text.substr(0, colon) == "count") {
      count_file = action;
      return;
    }
    at = std::strtoul(request, nullptr, 10);
    error = action == "enospc" ? ENOSPC : action == "eio" ? EIO : -1;
  }

  ~FaultPlan() {
    if (count_file.empty()) return;
    if (std::FILE* file = std::fopen(count_file.c_str(), "w")) {
      std::fprintf(file, "%lu\n", calls.load());
      std::fclose(file);
    }
  }
};

}  // namespace

int fault_point() {
  static FaultPlan plan;
  const unsigned long call = ++plan.calls;
  if (plan.at == 0 || call != plan.at) return 0;
  if (plan.error < 0) std::raise(SIGKILL);
  return plan.error;
}

}  // namespace imgbuild::io
