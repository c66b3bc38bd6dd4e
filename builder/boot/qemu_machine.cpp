#include "boot/qemu_machine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kGrace{3000};
constexpr std::size_t kOutputLimit = 8192;
constexpr std::size_t kConsoleLimit = 1 << 20;  // at once: a machine that floods its console must not hold us

struct SocketPair {
  io::File ours;
  io::File theirs;
};

SocketPair make_socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    throw system_error(errno, "cannot make a socket pair");
  return {io::File(fds[0], "socket"), io::File(fds[1], "socket")};
}

/// Memory, so that no file is left whatever happens.
io::File make_output() {
  const int fd = ::memfd_create("qemu-output", MFD_CLOEXEC);
  if (fd < 0) throw system_error(errno, "cannot make a file in memory");
  return {fd, "QEMU's output"};
}

int let_inherit(int fd) { return ::fcntl(fd, F_SETFD, 0) == 0 ? 0 : errno; }

std::string trimmed(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

std::map<int, int> read_forwarded_ports(const std::string& usernet) {
  std::map<int, int> ports;
  std::istringstream lines(usernet);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string protocol, fd, source, destination;
    int source_port = 0;
    int destination_port = 0;
    words >> protocol >> fd >> source >> source_port >> destination >> destination_port;
    if (words && protocol == "TCP[HOST_FORWARD]") ports[destination_port] = source_port;
  }
  return ports;
}

QemuMachine::QemuMachine(const std::string& qemu, QemuMachineSpec spec, const fs::path& temporaries)
    : qemu_(qemu), output_(make_output()), console_(-1, {}) {
  SocketPair console = make_socket_pair();
  SocketPair monitor = make_socket_pair();
  spec.console_fd = console.theirs.fd();
  spec.monitor_fd = monitor.theirs.fd();
  Command command = {
      .program = qemu, .arguments = qemu_arguments(spec), .environment = {"TMPDIR=" + temporaries.native()}};
  command.before_exec = [first = spec.console_fd, second = spec.monitor_fd] {
    const int error = let_inherit(first);
    return error != 0 ? error : let_inherit(second);
  };
  process_ = std::make_unique<Process>(command, &output_);
  console_ = std::move(console.ours);
  console.theirs = io::File(-1, {});
  monitor.theirs = io::File(-1, {});  // from here QEMU's end of both sockets closes with QEMU
  try {
    monitor_ = std::make_unique<Qmp>(std::move(monitor.ours));
    ports_ = read_forwarded_ports(monitor_->execute_human("info usernet"));
  } catch (const Error& error) {
    process_->terminate(kGrace);
    const std::string said = qemu_output();
    throw Error(ExitCode::not_ready, "{} does not start the machine: {}", fs::path(qemu).filename().native(),
                said.empty() ? error.what() : said);
  }
}

void QemuMachine::resize_disk(ByteSize size) {
  monitor_->execute("block_resize",
                    fmt::format("{{\"device\": \"{}\", \"size\": {}}}", kQemuDisk, size.bytes));
}

void QemuMachine::resume() { monitor_->execute("cont"); }

std::string QemuMachine::read_console(std::chrono::milliseconds limit) {
  check_interrupt();
  pollfd fd = {console_.fd(), POLLIN, 0};
  if (::poll(&fd, 1, static_cast<int>(limit.count())) <= 0) {
    check_interrupt();
    return {};
  }
  std::string bytes;
  std::array<char, 1 << 14> buffer;
  while (bytes.size() < kConsoleLimit) {
    const ssize_t size = ::recv(console_.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size <= 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(size));
  }
  if (bytes.empty()) (void)::poll(nullptr, 0, 10);  // closed: QEMU is about to end; do not spin until it has
  return bytes;
}

std::optional<MachineEnd> QemuMachine::end() {
  const std::optional<CommandResult> result = process_->poll();
  (void)monitor_->receive();  // whether it is open is what poll() told
  if (!result) return std::nullopt;
  return describe_end(*result);
}

MachineEnd QemuMachine::describe_end(const CommandResult& result) {
  const std::string reason = monitor_->shutdown_reason().value_or("");
  if (reason == "guest-shutdown") return {MachineEnd::Kind::shut_down, "the machine switched itself off"};
  if (reason == "guest-reset") return {MachineEnd::Kind::rebooted, "the machine rebooted itself"};
  if (reason == "host-qmp-quit") return {MachineEnd::Kind::quit, "the machine was switched off"};
  const std::string how = result.signal != 0 ? fmt::format("was ended by signal {} ({})", result.signal,
                                                           ::strsignal(result.signal))
                                             : fmt::format("ended with exit status {}", result.exit_status);
  const std::string said = qemu_output();
  return {MachineEnd::Kind::crashed,
          fmt::format("{} {}{}{}", fs::path(qemu_).filename().native(), how, said.empty() ? "" : ": ", said)};
}

void QemuMachine::press_power_button() {
  try {
    monitor_->execute("system_powerdown");
  } catch (const Error&) {
    // gone already: end() tells how
  }
}

void QemuMachine::quit() {
  if (process_->poll()) return;
  try {
    monitor_->execute("quit");
  } catch (const Error&) {
    // gone already, or deaf: terminate() below ends it either way
  }
  const Clock::time_point deadline = Clock::now() + kGrace;
  while (!process_->poll() && Clock::now() < deadline) (void)::poll(nullptr, 0, 10);
  process_->terminate(kGrace);
}

std::string QemuMachine::qemu_output() const {
  std::array<char, kOutputLimit> buffer;
  const ssize_t size = ::pread(output_.fd(), buffer.data(), buffer.size(), 0);
  return size <= 0 ? "" : trimmed(std::string(buffer.data(), static_cast<std::size_t>(size)));
}

}  // namespace imgbuild
