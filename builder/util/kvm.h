#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "util/command.h"
#include "util/status.h"

namespace imgbuild {

/// Whether machines can run under KVM here. A /dev/kvm that opens proves nothing: there are hosts where QEMU
/// aborts on a model-specific register, and hosts where real-mode code runs (it is emulated) and any kernel
/// hangs.
struct KvmVerdict {
  enum class Works { no, yes } works = Works::no;
  std::string why;  ///< for people: "guest code ran in 0.2 s", "no /dev/kvm", …
  bool operator==(const KvmVerdict&) const = default;
};

/// How to find out.
struct KvmProbe {
  std::filesystem::path
      cache;  ///< cache root: the verdict is kept in its kvm.json, temporaries live in its work/
  std::string qemu = "qemu-system-x86_64";  ///< name or path
  std::filesystem::path device = "/dev/kvm";
  std::chrono::milliseconds deadline{3000};  ///< the guest code needs 0.1 s where KVM works
};

/// The CPU model that the probe and our machines use under KVM. One constant, because the verdict holds for
/// it only.
inline constexpr const char* kKvmCpu = "max";

/// Runs guest code under KVM: 64-bit mode with paging, model-specific registers, an exception, 2^27 loop
/// turns. The verdict is kept per boot id, kernel, QEMU version and user, so only the first call on a booted
/// host takes time. A fresh "no" from a device that exists is said through 'status', once. Never throws
/// because KVM or QEMU is bad.
[[nodiscard]] KvmVerdict probe_kvm(const KvmProbe& probe, CommandRunner& runner, Status& status);

/// The disk the probe boots: 64 KiB, a boot sector and zeros. It says 'K' on port 0xe9 and writes
/// kKvmProbeExit to isa-debug-exit at port 0xf4. Empty on a processor that is no x86-64.
[[nodiscard]] std::string kvm_probe_disk();

/// QEMU's exit status after the guest code ran to its end: isa-debug-exit makes it 2 × value + 1.
inline constexpr int kKvmProbeExit = 2 * 0x2a + 1;

}  // namespace imgbuild
