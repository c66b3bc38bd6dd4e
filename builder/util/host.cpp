#include "util/host.h"

#include <algorithm>

#include "util/error.h"

namespace imgbuild {
namespace {

using Verdict = HostCheck::Verdict;
using Want = HostRequest::Want;

constexpr std::uint64_t kSubids = 65536;  // a tree's owners are 0 … 65535

bool has_tool(const HostFacts& facts, const std::string& program) {
  return std::any_of(facts.tools.begin(), facts.tools.end(),
                     [&](const ToolFact& tool) { return tool.program == program && tool.path; });
}

bool is_usable(const KernelFact& kernel) {
  return kernel.readable == KernelFact::Readable::yes && kernel.modules == KernelFact::Modules::yes;
}

bool can_start_appliance(const HostFacts& facts) {
  return std::any_of(facts.kernels.begin(), facts.kernels.end(), is_usable) && has_tool(facts, "supermin") &&
         has_tool(facts, "qemu-system-x86_64");
}

bool has_subids(const HostFacts& facts) {
  return facts.subuids >= kSubids && facts.subgids >= kSubids && has_tool(facts, "newuidmap");
}

/// What hurts only the fast backends is a warning while the slow one is there.
Verdict unless_appliance(const HostFacts& facts) {
  return can_start_appliance(facts) ? Verdict::warning : Verdict::failed;
}

std::string sysctl_cure(const char* setting) {
  return fmt::format("run as root, or: sudo sysctl -w {}", setting);
}

HostCheck namespaces_check(const HostFacts& facts) {
  HostCheck check = {.name = "namespaces"};
  if (facts.namespaces_error.empty()) {
    check.finding = facts.uid == 0 ? "they work, as root" : "they work, in a user namespace";
    return check;
  }
  check.verdict = unless_appliance(facts);
  check.finding = facts.namespaces_error;
  if (facts.uid == 0) {
    check.cure = "run outside the container, or in one that may mount (docker run --privileged)";
  } else if (facts.apparmor_restricts_namespaces == "1") {
    check.finding += "; AppArmor forbids user namespaces";
    check.cure = sysctl_cure("kernel.apparmor_restrict_unprivileged_userns=0");
  } else if (facts.unprivileged_namespaces == "0") {
    check.finding += "; the kernel keeps user namespaces for root";
    check.cure = sysctl_cure("kernel.unprivileged_userns_clone=1");
  } else if (facts.max_user_namespaces == "0") {
    check.finding += "; no user namespace is allowed";
    check.cure = sysctl_cure("user.max_user_namespaces=15000");
  } else {
    check.cure = "run as root";
  }
  return check;
}

HostCheck subids_check(const HostFacts& facts) {
  HostCheck check = {.name = "sub-uids"};
  check.finding = fmt::format("{} in /etc/subuid, {} in /etc/subgid", facts.subuids, facts.subgids);
  if (has_subids(facts)) return check;
  check.verdict = unless_appliance(facts);
  check.finding += fmt::format(" for '{}', {} of each are needed", facts.user, kSubids);
  check.cure = fmt::format(
      "run as root, or: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}", facts.user);
  if (facts.subuids >= kSubids && facts.subgids >= kSubids) {
    check.finding = "newuidmap is missing";
    check.cure = "sudo apt-get install uidmap";
  }
  return check;
}

HostCheck backend_check(const HostFacts& facts) {
  const BackendChoice choice = choose_backend(facts);
  HostCheck check = {.name = "backend", .finding = choice.why};
  if (!choice.backend) check = {"backend", Verdict::failed, choice.why, "one of the cures above"};
  if (choice.backend == TreeBackend::libguestfs) check.verdict = Verdict::warning;
  if (choice.backend == TreeBackend::libguestfs)
    check.cure = "run as root where namespaces work: ten times faster";
  return check;
}

HostCheck kvm_check(const HostFacts& facts) {
  HostCheck check = {.name = "kvm", .finding = facts.kvm->why};
  if (facts.kvm->works == KvmVerdict::Works::yes) return check;
  check.verdict = Verdict::warning;
  check.finding += "; machines are emulated, about ten times slower";
  check.cure = "a host (or a virtual machine with nested virtualisation) whose KVM works";
  if (facts.kvm->why.find("Permission denied") != std::string::npos) {
    check.cure = fmt::format("sudo adduser {} kvm, and log in again", facts.user);
  }
  return check;
}

/// supermin builds the libguestfs appliance from a kernel in /boot. Ubuntu makes them readable for root only.
HostCheck kernel_check(const HostFacts& facts) {
  HostCheck check = {.name = "kernel"};
  const auto usable = std::find_if(facts.kernels.begin(), facts.kernels.end(), is_usable);
  if (usable != facts.kernels.end()) {
    check.finding = usable->file.native();
    return check;
  }
  check.verdict = Verdict::failed;
  const auto unreadable =
      std::find_if(facts.kernels.begin(), facts.kernels.end(),
                   [](const KernelFact& kernel) { return kernel.modules == KernelFact::Modules::yes; });
  if (unreadable != facts.kernels.end()) {
    check.finding = fmt::format("'{}' can't be read by '{}', and libguestfs needs it",
                                unreadable->file.native(), facts.user);
    check.cure =
        fmt::format("sudo dpkg-statoverride --update --add root root 0644 {}", unreadable->file.native());
    return check;
  }
  check.finding = facts.kernels.empty()
                      ? "there is none in /boot, and libguestfs needs one"
                      : fmt::format("'{}' has no modules in /lib/modules, and libguestfs needs them",
                                    facts.kernels.front().file.native());
  check.cure = fmt::format("sudo apt-get install {}",
                           facts.distribution == "ubuntu" ? "linux-image-kvm" : "linux-image-cloud-amd64");
  return check;
}

HostCheck space_check(const char* name, const SpaceFact& space, ByteSize needed) {
  HostCheck check = {.name = name};
  check.finding = fmt::format("{} free in '{}'", format_byte_size(space.free), space.folder.native());
  if (space.free >= needed) return check;
  check.verdict = Verdict::failed;
  check.finding += fmt::format(", {} needed", format_byte_size(needed));
  check.cure = std::string(name) == "cache space"
                   ? "imgbuild cache prune, or set XDG_CACHE_HOME to a larger file system"
                   : "make space, or give another folder with -o";
  return check;
}

std::vector<HostCheck> space_checks(const HostFacts& facts, const HostRequest& request) {
  const bool shared = facts.cache.device == facts.output.device;
  const ByteSize cache_needs = {request.cache_bytes.bytes + (shared ? request.output_bytes.bytes : 0)};
  return {space_check("cache space", facts.cache, cache_needs),
          space_check("output space", facts.output, request.output_bytes)};
}

HostCheck memory_check(const HostFacts& facts, const HostRequest& request) {
  HostCheck check = {.name = "memory", .finding = format_byte_size(facts.memory) + " available"};
  if (facts.memory >= request.memory) return check;
  check.verdict = Verdict::warning;
  check.finding += fmt::format(", {} wanted", format_byte_size(request.memory));
  check.cure = "end other programs, or expect the kernel to end ours";
  return check;
}

HostCheck tool_check(const ToolFact& tool) {
  if (!tool.path) {
    return {tool.program, Verdict::failed, "not installed", "sudo apt-get install " + tool.package};
  }
  return {tool.program, Verdict::ok, tool.version.empty() ? tool.path->native() : tool.version, {}};
}

std::vector<HostCheck> mirror_checks(const HostFacts& facts) {
  const std::string through = facts.proxy.empty() ? "" : fmt::format(" through proxy {}", facts.proxy);
  std::vector<HostCheck> checks;
  for (const MirrorFact& mirror : facts.mirrors) {
    if (mirror.error.empty()) {
      checks.push_back({"mirror", Verdict::ok, mirror.uri + through, {}});
    } else {
      checks.push_back({"mirror", Verdict::warning,
                        fmt::format("{}{}: {}", mirror.uri, through, mirror.error),
                        "check the network, the mirror and apt's proxy (apt-config dump Acquire::http)"});
    }
  }
  if (checks.empty()) {
    checks.push_back({"mirror", Verdict::warning, "no package source of this distribution in /etc/apt",
                      "give the recipe another base than 'bootstrap'"});
  }
  return checks;
}

}  // namespace

BackendChoice choose_backend(const HostFacts& facts) {
  const bool namespaces = facts.namespaces_error.empty();
  if (namespaces && facts.uid == 0) return {TreeBackend::native, "native: we are root and namespaces work"};
  if (namespaces && has_subids(facts)) {
    return {TreeBackend::native_unprivileged,
            fmt::format("native without root: user namespaces work and '{}' has sub-uids", facts.user)};
  }
  const char* obstacle = namespaces ? "there are not enough sub-uids" : "namespaces can't be had";
  if (can_start_appliance(facts)) return {TreeBackend::libguestfs, fmt::format("libguestfs: {}", obstacle)};
  return {std::nullopt, fmt::format("none: {}, and libguestfs can't start", obstacle)};
}

std::vector<HostCheck> judge_host(const HostFacts& facts, const HostRequest& request) {
  std::vector<HostCheck> checks;
  const auto add = [&checks](const std::vector<HostCheck>& more) {
    checks.insert(checks.end(), more.begin(), more.end());
  };
  if (request.tree == Want::yes) add({namespaces_check(facts)});
  if (request.tree == Want::yes && facts.uid != 0) add({subids_check(facts)});
  if (request.appliance == Want::yes) add({kernel_check(facts)});
  if (request.tree == Want::yes) add({backend_check(facts)});
  if (facts.kvm) add({kvm_check(facts)});
  add(space_checks(facts, request));
  add({memory_check(facts, request)});
  for (const ToolFact& tool : facts.tools) {
    if (tool.needed == ToolFact::Needed::yes) add({tool_check(tool)});
  }
  if (request.mirrors == Want::yes) add(mirror_checks(facts));
  return checks;
}

std::vector<HostCheck> check_host(const HostRequest& request, CommandRunner& runner, Status& status) {
  return judge_host(gather_host_facts(request, runner, status), request);
}

void require_fit(const std::vector<HostCheck>& checks) {
  std::string failed;
  std::size_t count = 0;
  for (const HostCheck& check : checks) {
    if (check.verdict != Verdict::failed) continue;
    failed += fmt::format("\n  {}: {}\n    cure: {}", check.name, check.finding, check.cure);
    ++count;
  }
  if (count == 0) return;
  throw Error(ExitCode::host_unfit, "this host cannot do it, for {} reason{}:{}", count,
              count == 1 ? "" : "s", failed)
      .set_hint("'imgbuild doctor' shows all checks");
}

}  // namespace imgbuild
