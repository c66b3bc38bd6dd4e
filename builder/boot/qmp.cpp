#include "boot/qmp.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

namespace {

constexpr std::chrono::seconds kPatience{
    30};  // QEMU answers in milliseconds; a loaded host may need seconds to load it

Error closed() { return Error(ExitCode::step_failed, "QEMU closed its monitor"); }

Json parse(const std::string& line) {
  try {
    return Json::parse(line);
  } catch (const Json::exception&) {
    throw Error(ExitCode::step_failed, "QEMU's monitor said '{}', which is no JSON", line.substr(0, 200));
  }
}

/// The reason if 'message' is a SHUTDOWN event.
std::optional<std::string> reason_of(const Json& message) {
  if (message.value("event", "") != "SHUTDOWN") return std::nullopt;
  return message.value(Json::json_pointer("/data/reason"), "unknown");
}

}  // namespace

Qmp::Qmp(io::File socket) : socket_(std::move(socket)) {
  (void)wait_for_line();  // the greeting
  (void)execute("qmp_capabilities");
}

std::string Qmp::execute(std::string_view command, std::string_view arguments) {
  const std::string line = fmt::format("{{\"execute\": \"{}\", \"arguments\": {}}}\n", command, arguments);
  // Never SIGPIPE: a QEMU that just ended is an ordinary case.
  if (::send(socket_.fd(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    throw closed();
  for (;;) {
    const Json answer = parse(wait_for_line());
    if (auto reason = reason_of(answer)) shutdown_reason_ = std::move(reason);
    if (answer.contains("return")) return answer["return"].dump();
    if (answer.contains("error")) {
      throw Error(ExitCode::step_failed, "QEMU refused '{}': {}", command,
                  answer.value(Json::json_pointer("/error/desc"), "no reason given"));
    }
  }
}

std::string Qmp::execute_human(std::string_view command_line) {
  const std::string arguments = Json{{"command-line", command_line}}.dump();
  return parse(execute("human-monitor-command", arguments)).get<std::string>();
}

bool Qmp::receive() {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t size = ::recv(socket_.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) {
      received_.append(buffer.data(), static_cast<std::size_t>(size));
      continue;
    }
    if (size < 0 && errno == EINTR) continue;
    const bool open = size < 0 && errno == EAGAIN;
    while (const std::optional<std::string> line = next_line()) {
      if (auto reason = reason_of(parse(*line))) shutdown_reason_ = std::move(reason);
    }
    return open;
  }
}

std::optional<std::string> Qmp::next_line() {
  const std::size_t end = received_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  return line;
}

std::string Qmp::wait_for_line() {
  const Clock::time_point deadline = Clock::now() + kPatience;
  for (;;) {
    if (std::optional<std::string> line = next_line()) return *line;
    check_interrupt();
    if (Clock::now() > deadline) throw Error(ExitCode::step_failed, "QEMU's monitor said nothing for 30 s");
    pollfd fd = {socket_.fd(), POLLIN, 0};
    if (::poll(&fd, 1, 100) <= 0) continue;
    std::array<char, 4096> buffer;
    const ssize_t size = ::recv(socket_.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) received_.append(buffer.data(), static_cast<std::size_t>(size));
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) throw closed();
  }
}

}  // namespace imgbuild
