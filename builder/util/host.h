#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "util/command.h"
#include "util/kvm.h"
#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

/// What a command wants of this host. Facts are gathered, and missing things are failures, only for what it
/// wants.
struct HostRequest {
  enum class Want { no, yes };
  std::filesystem::path cache;   ///< cache root; need not exist
  ByteSize cache_bytes = {};     ///< to be free there; 0: just looked at
  std::filesystem::path output;  ///< need not exist
  ByteSize output_bytes = {};
  Want tree = Want::yes;       ///< run steps on a tree, or make one with mmdebstrap
  Want appliance = Want::yes;  ///< libguestfs: import a base, install a boot loader
  Want machine = Want::no;     ///< run a machine in QEMU
  ByteSize memory = 1_GiB;     ///< to be available
  Want versions = Want::no;    ///< ask each tool (half a second in all)
  Want mirrors = Want::no;     ///< fetch an index from each (network)
};

/// Where the steps of a recipe run.
enum class TreeBackend {
  native,               ///< as root in namespaces
  native_unprivileged,  ///< in a user namespace with sub-uids
  libguestfs,           ///< in an appliance; slow, works everywhere
};

struct HostCheck {
  std::string name;
  enum class Verdict { ok, warning, failed } verdict = Verdict::ok;
  std::string finding;  ///< what was seen
  std::string cure;     ///< what to do; empty when ok
  bool operator==(const HostCheck&) const = default;
};

struct ToolFact {
  std::string program;
  std::string package;  ///< that brings it, on Debian and Ubuntu
  std::optional<std::filesystem::path> path = {};
  std::string version = {};  ///< empty: not asked, or it does not say
  enum class Needed {
    no,
    yes
  } needed = Needed::yes;  ///< by this request; others tell which backend is possible
};

struct KernelFact {
  std::filesystem::path file;
  enum class Readable { no, yes } readable = Readable::no;
  enum class Modules { no, yes } modules = Modules::no;  ///< below /lib/modules
};

struct SpaceFact {
  std::filesystem::path folder;
  std::uint64_t device = 0;  ///< file system; the same for both folders means they share the space
  ByteSize free = {};
};

struct MirrorFact {
  std::string uri;
  std::string error = {};  ///< empty: the index was fetched
};

/// What was seen on this host, apart from what it means. Tests make their own.
struct HostFacts {
  unsigned uid = 0;
  std::string user = "root";
  std::string distribution = "debian";  ///< ID of os-release
  std::string namespaces_error = {};    ///< of making them and mounting inside; empty: it works
  /// Kernel settings as they stand in /proc/sys; none where the kernel has no such setting.
  std::optional<std::string> apparmor_restricts_namespaces = {};
  std::optional<std::string> max_user_namespaces = {};
  std::optional<std::string> unprivileged_namespaces = {};
  std::uint64_t subuids = 0;  ///< longest range of the user
  std::uint64_t subgids = 0;
  std::optional<KvmVerdict> kvm = {};  ///< none: not asked
  std::vector<KernelFact> kernels = {};
  SpaceFact cache = {};
  SpaceFact output = {};
  ByteSize memory = {};  ///< available
  std::vector<ToolFact> tools = {};
  std::string proxy = {};  ///< of apt, without credentials
  std::vector<MirrorFact> mirrors = {};
};

struct BackendChoice {
  std::optional<TreeBackend> backend;  ///< none: nothing works
  std::string why;
};

/// Looks at the host. Runs programs as the request wants; changes nothing but the kept KVM verdict.
[[nodiscard]] HostFacts gather_host_facts(const HostRequest& request, CommandRunner& runner, Status& status);

/// The fastest backend that these facts allow.
[[nodiscard]] BackendChoice choose_backend(const HostFacts& facts);

/// What the facts mean for the request, in a fixed order.
[[nodiscard]] std::vector<HostCheck> judge_host(const HostFacts& facts, const HostRequest& request);

/// gather_host_facts and judge_host.
[[nodiscard]] std::vector<HostCheck> check_host(const HostRequest& request, CommandRunner& runner,
                                                Status& status);

/// Throws Error (host unfit) with all failed checks and their cures, if there are any.
void require_fit(const std::vector<HostCheck>& checks);

/// Memory that programs can have without swapping.
[[nodiscard]] ByteSize available_memory();

/// Makes mount, pid, ipc and uts namespaces (in a user namespace unless we are root) in a child and mounts in
/// them. What went wrong, or an empty text.
[[nodiscard]] std::string try_namespaces(CommandRunner& runner);

/// The longest range of 'user' (or its number) in the text of /etc/subuid or /etc/subgid.
[[nodiscard]] std::uint64_t longest_subid_range(const std::string& text, const std::string& user,
                                                unsigned uid);

/// The number in what a program says about its version: "1.47.0" of "mke2fs 1.47.0 (5-Feb-2023)". Empty if
/// none.
[[nodiscard]] std::string version_number(const std::string& said);

}  // namespace imgbuild
