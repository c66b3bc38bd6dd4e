#include "boot/qemu_arguments.h"

#include <array>

#include "util/error.h"
#include "util/kvm.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct UefiFirmware {
  const char* code;
  const char* variables;
};

/// Debian and Ubuntu, package ovmf: since 2022 with 4 MiB of flash, before with 2 MiB.
constexpr std::array kUefiFirmware = {
    UefiFirmware{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
    UefiFirmware{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
};

using Arguments = std::vector<std::string>;

void add(Arguments& arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
}

Arguments firmware_arguments(Firmware firmware) {
  if (firmware == Firmware::bios) return {};
  for (const UefiFirmware& file : kUefiFirmware) {
    if (!fs::exists(file.code) || !fs::exists(file.variables)) continue;
    return {"-drive", fmt::format("if=pflash,unit=0,format=raw,readonly=on,file={}", file.code), "-drive",
            fmt::format("if=pflash,unit=1,format=raw,snapshot=on,file={}", file.variables)};
  }
  throw Error(ExitCode::host_unfit, "no UEFI firmware in '/usr/share/OVMF'")
      .set_hint("sudo apt-get install ovmf");
}

Arguments accelerator_arguments(Accelerator accelerator) {
  if (accelerator == Accelerator::kvm) return {"-accel", "kvm", "-cpu", kKvmCpu};
  // What only costs an emulated machine time: 5-level paging (la57), vectors that libraries prefer where they find them
  // (avx2), copies byte by byte (erms). Without these a machine is ready with a ninth less work.
  return {"-accel", "tcg,thread=multi", "-cpu", "max,la57=off,avx2=off,erms=off"};
}

std::string network_option(const std::vector<int>& ports) {
  std::string option = "user,id=net";
  for (int port : ports) option += fmt::format(",hostfwd=tcp:127.0.0.1:0-:{}", port);  // 0: a free one
  return option;
}

}  // namespace

std::string qemu_value(const std::string& value) {
  std::string result;
  for (char c : value) result += c == ',' ? ",," : std::string(1, c);
  return result;
}

std::vector<std::string> qemu_arguments(const QemuMachineSpec& spec) {
  Arguments arguments = {"-S",   "-nodefaults", "-no-user-config", "-display", "none",
                         "-vga", "std",         "-machine",        "q35"};
  add(arguments, accelerator_arguments(spec.accelerator));
  add(arguments, firmware_arguments(spec.firmware));
  add(arguments, {"-m", std::to_string(spec.memory.bytes >> 20), "-smp", std::to_string(spec.cpus)});
  if (spec.reboot == QemuMachineSpec::Reboot::ends) add(arguments, {"-no-reboot"});
  add(arguments, {"-chardev", fmt::format("socket,id=monitor,fd={}", spec.monitor_fd),  //
                  "-mon", "chardev=monitor,mode=control",                               //
                  "-chardev",
                  fmt::format("socket,id=console,fd={},logfile={}", spec.console_fd,
                              qemu_value(spec.console_log.native())),
                  "-serial", "chardev:console"});
  const char* snapshot = spec.writes == QemuMachineSpec::Writes::discarded ? "on" : "off";
  add(arguments, {"-drive",
                  fmt::format("if=none,id={},format={},snapshot={},discard=unmap,file={}", kQemuDisk,
                              spec.disk_format, snapshot, qemu_value(spec.disk.native())),
                  "-device", fmt::format("virtio-blk-pci,drive={},bootindex=1", kQemuDisk)});
  if (spec.seed) {
    add(arguments, {"-drive",
                    fmt::format("if=none,id=seed,format=raw,readonly=on,media=cdrom,file={}",
                                qemu_value(spec.seed->native())),
                    "-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=seed"});
  }
  add(arguments,
      {"-netdev", network_option(spec.ports), "-device", "virtio-net-pci,netdev=net,romfile=",  //
       "-object", "rng-random,filename=/dev/urandom,id=random", "-device", "virtio-rng-pci,rng=random"});
  if (spec.segment) {
    const SharedSegment& segment = *spec.segment;
    add(arguments, {"-netdev", fmt::format("socket,id=internal,mcast={}:{},localaddr=127.0.0.1", segment.group, segment.port),
                    "-device", fmt::format("virtio-net-pci,netdev=internal,romfile=,mac={}", segment.mac)});
  }
  return arguments;
}

}  // namespace imgbuild
