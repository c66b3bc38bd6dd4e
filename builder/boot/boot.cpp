#include "boot/boot.h"

#include "boot/boot_disk.h"
#include "util/error.h"
#include "util/io.h"
#include "util/kvm.h"

namespace imgbuild {
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Kind = ConsoleEvent::Kind;

namespace {

constexpr milliseconds kTick{200};
constexpr milliseconds kShutdownPatience{
    30'000};  // with KVM; systemd's own limit for a stopping unit is 90 s
constexpr milliseconds kButtonInterval{5'000};

std::string stage_name(const ConsoleEvent& event) {
  switch (event.kind) {
    case Kind::boot_loader:
      return "boot loader";
    case Kind::kernel:
      return "kernel";
    case Kind::init:
      return "init";
    case Kind::cloud_init:
      return "cloud-init";
    case Kind::stage:
      return event.text;
    default:
      return {};
  }
}

Accelerator choose_accelerator(const BootRequest& request, CommandRunner& runner, Status& status) {
  if (request.accelerator != Accelerator::automatic) return request.accelerator;
  const KvmProbe probe = {.cache = request.cache, .qemu = request.qemu, .device = request.kvm_device};
  const KvmVerdict verdict = probe_kvm(probe, runner, status);
  return verdict.works == KvmVerdict::Works::yes ? Accelerator::kvm : Accelerator::tcg;
}

void check_size(const BootRequest& request, CommandRunner& runner) {
  const ByteSize size = virtual_size(request.image, request.format, runner);
  if (!request.disk_size || *request.disk_size >= size) return;
  throw Error(ExitCode::bad_input, "{}: the disk of '{}' cannot be {}: the image has {}",
              request.image.native(), request.name, format_byte_size(*request.disk_size),
              format_byte_size(size));
}

}  // namespace

Boot::Boot(BootRequest request, CommandRunner& runner, Status& status)
    : request_(std::move(request)), runner_(runner), status_(status) {
  check_size(request_, runner_);
  if (request_.seed && !fs::exists(*request_.seed)) {
    throw Error(ExitCode::bad_input, "{}: no such file", request_.seed->native());
  }
  const Accelerator accelerator = choose_accelerator(request_, runner_, status_);
  io::make_directories(request_.cache / "work", 0700);
  io::make_directories(fs::absolute(request_.console_log).parent_path(), 0700);
  try {
    start(accelerator);
  } catch (const Error& error) {
    const bool may_retry = accelerator == Accelerator::kvm && request_.accelerator == Accelerator::automatic;
    if (!may_retry || error.code() != ExitCode::not_ready) throw;
    status_.note(fmt::format("{}; trying without KVM, about ten times slower", error.what()));
    start(Accelerator::tcg);
  }
}

QemuMachineSpec Boot::machine_spec() {
  QemuMachineSpec spec = {.disk = fs::absolute(request_.image), .disk_format = request_.format};
  if (request_.disk) {
    make_difference_disk(*request_.disk, request_.image, request_.format, request_.disk_size, runner_);
    spec.disk = fs::absolute(*request_.disk);
    spec.disk_format = "qcow2";
    spec.writes = QemuMachineSpec::Writes::kept;
  }
  if (request_.seed) spec.seed = fs::absolute(*request_.seed);
  spec.memory = request_.memory;
  spec.cpus = request_.cpus;
  spec.accelerator = accelerator_;
  spec.firmware = request_.firmware;
  spec.reboot = request_.reboot;
  spec.segment = request_.segment;
  spec.console_log = fs::absolute(request_.console_log);
  return spec;
}

void Boot::start(Accelerator accelerator) {
  accelerator_ = accelerator;
  io::write_file(request_.console_log, "", 0600);  // QEMU then keeps the mode
  machine_ =
      std::make_unique<QemuMachine>(request_.qemu, machine_spec(), fs::absolute(request_.cache / "work"));
  if (request_.disk_size && !request_.disk) machine_->resize_disk(*request_.disk_size);
  began_ = Clock::now();
  machine_->resume();
  begin_stage("firmware");
}

ReadyMachine Boot::wait_until_ready() {
  for (;;) {
    if (const std::optional<ReadyMachine> ready = listen_until_ready(kTick)) return *ready;
  }
}

std::optional<ReadyMachine> Boot::listen_until_ready(milliseconds patience) {
  // Asked first: what it said before its end is still read below.
  const std::optional<MachineEnd> end = machine_->end();
  listen(patience);
  while (const std::optional<ConsoleEvent> event = next_event()) {
    if (event->kind == Kind::ready) return ready_machine(*event);
    if (event->kind == Kind::failed)
      throw not_ready(fmt::format("'{}' says it failed: {}", event->machine, event->text));
    if (event->kind == Kind::stuck) throw not_ready(fmt::format("the machine is stuck: {}", event->text));
  }
  if (end) throw not_ready(end->text);
  const milliseconds limit = request_.timeout * slowness();
  if (elapsed() > limit) throw not_ready(fmt::format("not ready after {}", format_duration(limit)));
  return std::nullopt;
}

std::optional<MachineEnd> Boot::listen_while_running(milliseconds patience,
                                                     const std::function<void(const ReadyMachine&)>& on_ready) {
  const std::optional<MachineEnd> end = machine_->end();
  listen(patience);
  while (const std::optional<ConsoleEvent> event = next_event()) {
    if (event->kind == Kind::ready) on_ready(ready_machine(*event));
    if (event->kind == Kind::failed)
      status_.note(fmt::format("'{}' says it failed: {}", event->machine, event->text));
    if (event->kind == Kind::stuck)
      status_.note(fmt::format("{}: the machine is stuck: {}", request_.name, event->text));
  }
  return end;
}

MachineEnd Boot::stop() {
  if (request_.disk && !machine_->end()) shut_down();
  machine_->quit();
  return *machine_->end();
}

/// Presses the button again and again: a machine that is still starting does not notice the first time.
void Boot::shut_down() {
  status_.begin(fmt::format("{}: shutting down", request_.name));
  const Clock::time_point deadline = Clock::now() + kShutdownPatience * slowness();
  Clock::time_point next_press = Clock::now();
  while (!machine_->end() && Clock::now() < deadline) {
    if (Clock::now() >= next_press) {
      machine_->press_power_button();
      next_press = Clock::now() + kButtonInterval;
    }
    (void)console_.feed(machine_->read_console(kTick));  // so that it never waits for us to read
  }
  status_.end(machine_->end() ? "" : "it did not shut down in time and is switched off");
}

void Boot::listen(milliseconds patience) {
  if (!events_.empty()) patience = milliseconds(0);
  for (ConsoleEvent& event : console_.feed(machine_->read_console(patience)))
    events_.push_back(std::move(event));
  const std::vector<std::string> lines = console_.last_lines();
  if (!lines.empty()) status_.progress(0, 0, lines.back());
}

std::optional<ConsoleEvent> Boot::next_event() {
  if (events_.empty()) return std::nullopt;
  const ConsoleEvent event = events_.front();
  events_.pop_front();
  const std::string stage = stage_name(event);
  if (!stage.empty()) begin_stage(stage);
  return event;
}

void Boot::begin_stage(const std::string& name) {
  if (!stages_.empty() && stages_.back().name == name) return;
  stages_.push_back({.name = name, .began = elapsed()});
  status_.begin(fmt::format("{}: {}", request_.name, name));
}

milliseconds Boot::elapsed() const { return std::chrono::duration_cast<milliseconds>(Clock::now() - began_); }

int Boot::slowness() const { return accelerator_ == Accelerator::kvm ? 1 : request_.emulated_factor; }

ReadyMachine Boot::ready_machine(const ConsoleEvent& event) const {
  status_.end(fmt::format("ready after {}", format_duration(elapsed())));
  return {.name = event.machine,
          .role = event.role,
          .plan = event.plan,
          .ports = machine_->ports(),
          .took = elapsed(),
          .stages = stages_,
          .accelerator = accelerator_};
}

Error Boot::not_ready(const std::string& why) const {
  std::string lines;
  for (const std::string& line : console_.last_lines()) lines += "\n  " + line;
  Error error(ExitCode::not_ready, "{}: {} (at '{}', after {}){}{}", request_.name, why, stages_.back().name,
              format_duration(elapsed()),
              lines.empty() ? "; its console said nothing" : "; its console said last:", lines);
  error.set_hint(fmt::format("the whole console is in '{}'", request_.console_log.native()));
  return error;
}

}  // namespace imgbuild
