#include "util/kvm.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr const char* kVerdictFile = "kvm.json";

KvmVerdict no(std::string why) { return {.works = KvmVerdict::Works::no, .why = std::move(why)}; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// QEMU says many warnings and then why it ended.
std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);  // npos + 1 is 0
}

/// What a verdict holds for. QEMU's version is asked, not its file: an update under the same version changes
/// nothing.
std::string verdict_key(const std::string& qemu_version) {
  utsname system = {};
  (void)::uname(&system);  // cannot fail with a valid buffer
  const std::string boot_id = first_line(io::read_file("/proc/sys/kernel/random/boot_id"));
  return fmt::format("{} | {} {} | {} | uid {}", boot_id, system.release, system.version, qemu_version,
                     ::geteuid());
}

// kvm.json: {"key": "BOOT_ID | KERNEL | QEMU | uid N", "works": false, "why": "…"}

std::optional<KvmVerdict> kept_verdict(const fs::path& file, const std::string& key) {
  if (!fs::exists(file)) return std::nullopt;
  try {
    const nlohmann::json kept = nlohmann::json::parse(io::read_file(file, 64_KiB));
    if (kept.at("key") != key) return std::nullopt;
    return KvmVerdict{.works = kept.at("works").get<bool>() ? KvmVerdict::Works::yes : KvmVerdict::Works::no,
                      .why = kept.at("why")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // a file that is no verdict is a miss
  } catch (const Error&) {
    return std::nullopt;
  }
}

void keep_verdict(const fs::path& file, const std::string& key, const KvmVerdict& verdict) {
  const nlohmann::json kept = {
      {"key", key}, {"works", verdict.works == KvmVerdict::Works::yes}, {"why", verdict.why}};
  io::write_file(file, kept.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n", 0644);
}

/// Says why the device can't be used, or nothing.
std::optional<KvmVerdict> refuse_device(const fs::path& device) {
  if (!fs::exists(device)) return no(fmt::format("there is no {}", device.native()));
  const int fd = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return no(fmt::format("cannot open {}: {}", device.native(), std::strerror(errno)));
  (void)::close(fd);  // nothing was written
  return std::nullopt;
}

KvmVerdict run_guest(const KvmProbe& probe, CommandRunner& runner) {
  const io::TemporaryDirectory work(probe.cache / "work", "kvm");
  const fs::path disk = work.path() / "disk";
  const fs::path said = work.path() / "said";
  io::write_file(disk, kvm_probe_disk(), 0600);
  const auto began = Clock::now();
  const CommandResult result =
      runner.run({.program = probe.qemu,
                  .arguments = {"-accel", "kvm", "-cpu", kKvmCpu, "-machine", "pc", "-m", "64", "-nodefaults",
                                "-no-user-config", "-display", "none", "-drive",
                                "file=disk,format=raw,if=ide,snapshot=on", "-debugcon", "file:said",
                                "-device", "isa-debug-exit,iobase=0xf4,iosize=1"},
                  .environment = {"TMPDIR=" + work.path().native()},
                  .directory = work.path(),
                  .timeout = probe.deadline});
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
  if (result.timed_out == CommandResult::TimedOut::yes) {
    return no(fmt::format("guest code did not come to its end in {}", format_duration(probe.deadline)));
  }
  if (result.exit_status == kKvmProbeExit && fs::exists(said) && io::read_file(said, 4_KiB) == "K") {
    return {.works = KvmVerdict::Works::yes,
            .why = fmt::format("guest code ran in {}", format_duration(took))};
  }
  const std::string how = result.signal != 0 ? fmt::format("was ended by signal {} ({})", result.signal,
                                                           ::strsignal(result.signal))
                                             : fmt::format("ended with exit status {}", result.exit_status);
  const std::string last = last_line(result.err);
  return no(fmt::format("{} {}{}{}", fs::path(probe.qemu).filename().native(), how, last.empty() ? "" : ": ",
                        last));
}

}  // namespace

KvmVerdict probe_kvm(const KvmProbe& probe, CommandRunner& runner, Status& status) {
  if (kvm_probe_disk().empty()) return no("this processor is no x86-64");
  if (const std::optional<KvmVerdict> refused = refuse_device(probe.device)) return *refused;
  std::string version;
  try {
    version = first_line(
        run_checked(runner,
                    {.program = probe.qemu, .arguments = {"--version"}, .timeout = std::chrono::seconds(10)})
            .out);
  } catch (const Error& error) {
    return no(first_line(error.what()));
  }
  const fs::path file = probe.cache / kVerdictFile;
  const std::string key = verdict_key(version);
  if (const std::optional<KvmVerdict> kept = kept_verdict(file, key)) return *kept;

  status.begin("testing KVM");
  KvmVerdict verdict;
  try {
    verdict = run_guest(probe, runner);
  } catch (const Error& error) {
    if (error.code() != ExitCode::host_unfit) throw;  // a full disk says nothing about KVM
    return no(first_line(error.what()));
  }
  status.end(verdict.works == KvmVerdict::Works::yes ? "it works" : "it does not work");
  if (verdict.works == KvmVerdict::Works::no) {
    status.note(
        fmt::format("{} is there but does not work ({}); machines are emulated, about ten times slower",
                    probe.device.native(), verdict.why));
  }
  keep_verdict(file, key, verdict);
  return verdict;
}

}  // namespace imgbuild
