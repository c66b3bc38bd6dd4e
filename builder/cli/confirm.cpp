#include "cli/confirm.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>

#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {

bool can_ask() { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1; }

bool confirm(const std::string& question) {
  fmt::print(stderr, "{} [y/N] ", question);
  std::string answer;
  while (answer.find('\n') == std::string::npos) {
    check_interrupt();
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, 100) <= 0) continue;
    char buffer[256];
    const ssize_t size = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(size));
  }
  answer.erase(answer.find_last_not_of("\r\n ") + 1);
  std::ranges::transform(answer, answer.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return answer == "y" || answer == "yes";
}

}  // namespace imgbuild
