#include "cli/session.h"

#include <cerrno>
#include <cstdio>

#include "util/error.h"

namespace imgbuild {

Status& Session::status() {
  if (!status_) status_ = make_progress(mode());
  return *status_;
}

void Session::print(const std::string& line) {
  if (std::fprintf(stdout, "%s\n", line.c_str()) < 0 || std::fflush(stdout) != 0) {
    throw system_error(errno, "cannot write to standard output");
  }
}

}  // namespace imgbuild
