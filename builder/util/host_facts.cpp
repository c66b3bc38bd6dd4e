#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "util/apt_sources.h"
#include "util/error.h"
#include "util/host.h"
#include "util/interrupt.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using Want = HostRequest::Want;

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

/// Whole content without the newline at its end; none if there is no such file.
std::optional<std::string> small_file(const fs::path& path) {
  try {
    return trimmed(io::read_file(path, 1_MiB));
  } catch (const Error&) {
    return std::nullopt;  // a kernel without that setting, a system without that file
  }
}

/// The value of "NAME=value" or "Name: value" in 'text'.
std::string value_of(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    std::string value = trimmed(line.substr(name.size()));
    std::erase(value, '"');
    return value;
  }
  return {};
}

struct Tool {
  const char* program;
  const char* package;
  const char* version_option;  ///< nullptr: has none, and root does without it
  Want HostRequest::*wanted;
};

constexpr std::array kTools = {
    Tool{"apt-get", "apt", "--version", &HostRequest::tree},
    Tool{"mmdebstrap", "mmdebstrap", "--version", &HostRequest::tree},
    Tool{"gpgv", "gpgv", "--version", &HostRequest::tree},
    Tool{"mke2fs", "e2fsprogs", "-V", &HostRequest::tree},
    Tool{"sfdisk", "fdisk", "--version", &HostRequest::tree},
    Tool{"newuidmap", "uidmap", nullptr, &HostRequest::tree},
    Tool{"supermin", "supermin", "--version", &HostRequest::appliance},
    Tool{"qemu-img", "qemu-utils", "--version", &HostRequest::tree},
    Tool{"qemu-system-x86_64", "qemu-system-x86", "--version", &HostRequest::appliance},
};

bool is_needed(const Tool& tool, const HostRequest& request) {
  if (tool.version_option == nullptr) return false;  // newuidmap is judged with the sub-uids
  const bool is_qemu = std::string_view(tool.program).starts_with("qemu-");
  return request.*tool.wanted == Want::yes || (is_qemu && request.machine == Want::yes);
}

std::string ask_version(const Tool& tool, CommandRunner& runner) {
  if (tool.version_option == nullptr) return {};
  const CommandResult result = runner.run(
      {.program = tool.program, .arguments = {tool.version_option}, .timeout = std::chrono::seconds(5)});
  return version_number(result.out.empty() ? result.err : result.out);
}

std::vector<ToolFact> gather_tools(const HostRequest& request, CommandRunner& runner) {
  std::vector<ToolFact> facts;
  for (const Tool& tool : kTools) {
    ToolFact fact = {.program = tool.program, .package = tool.package, .path = find_program(tool.program)};
    fact.needed = is_needed(tool, request) ? ToolFact::Needed::yes : ToolFact::Needed::no;
    if (fact.path && request.versions == Want::yes) fact.version = ask_version(tool, runner);
    facts.push_back(std::move(fact));
  }
  return facts;
}

/// Newest name first. $SUPERMIN_KERNEL and $SUPERMIN_MODULES replace them, as they do for supermin.
std::vector<KernelFact> gather_kernels() {
  const auto fact = [](const fs::path& file, const fs::path& modules) {
    return KernelFact{
        .file = file,
        .readable = ::access(file.c_str(), R_OK) == 0 ? KernelFact::Readable::yes : KernelFact::Readable::no,
        .modules = fs::exists(modules / "modules.dep") ? KernelFact::Modules::yes : KernelFact::Modules::no};
  };
  const char* kernel = std::getenv("SUPERMIN_KERNEL");
  const char* modules = std::getenv("SUPERMIN_MODULES");
  if (kernel != nullptr && modules != nullptr) return {fact(kernel, modules)};
  constexpr std::string_view kPrefix = "vmlinuz-";
  std::vector<KernelFact> facts;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/boot", error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(kPrefix))
      facts.push_back(fact(entry.path(), fs::path("/lib/modules") / name.substr(kPrefix.size())));
  }
  std::sort(facts.begin(), facts.end(),
            [](const KernelFact& a, const KernelFact& b) { return a.file > b.file; });
  return facts;
}

SpaceFact gather_space(const fs::path& folder) {
  fs::path existing = fs::absolute(folder);
  while (!fs::exists(existing)) existing = existing.parent_path();
  struct stat info = {};
  if (::stat(existing.c_str(), &info) != 0)
    throw system_error(errno, fmt::format("cannot read '{}'", existing.native()));
  return {.folder = folder, .device = info.st_dev, .free = io::free_space(existing)};
}

/// A proxy's address may hold a password.
std::string without_credentials(std::string uri) {
  const std::size_t start = uri.find("://");
  const std::size_t at = uri.rfind('@');
  if (at == std::string::npos) return uri;
  return start == std::string::npos ? uri.substr(at + 1) : uri.substr(0, start + 3) + uri.substr(at + 1);
}

std::string find_proxy(CommandRunner& runner) {
  std::string said =
      runner.run({.program = "apt-config", .arguments = {"shell", "PROXY", "Acquire::http::Proxy"}}).out;
  std::erase(said, '\'');
  std::string proxy = value_of(said, "PROXY=");
  if (const char* environment = std::getenv("http_proxy"); proxy.empty() && environment != nullptr)
    proxy = environment;
  return without_credentials(proxy);
}

/// The last "E: …" but apt-helper's closing "Download Failed", without the address we print anyway.
std::string fetch_error(const std::string& said, const std::string& address) {
  std::string error = value_of(said, "E: ");
  const std::string prefix = fmt::format("Failed to fetch {}", address);
  if (error.starts_with(prefix)) error.erase(0, prefix.size());
  error.erase(0, error.find_first_not_of(' '));
  return error.empty() ? "the index can't be fetched" : error;
}

/// Fetches the index of each mirror of this distribution as apt does, so with its proxy, certificates and
/// credentials.
std::vector<MirrorFact> gather_mirrors(const HostRequest& request, const std::string& codename,
                                       CommandRunner& runner) {
  const io::TemporaryDirectory work(request.cache / "work", "mirrors");
  std::vector<MirrorFact> facts;
  for (const AptSource& source : host_apt_sources()) {
    const bool known = std::any_of(facts.begin(), facts.end(),
                                   [&](const MirrorFact& fact) { return fact.uri == source.uri; });
    if (source.suite != codename || known || !source.uri.starts_with("http")) continue;
    check_interrupt();
    const std::string address =
        fmt::format("{}{}dists/{}/InRelease", source.uri, source.uri.ends_with('/') ? "" : "/", source.suite);
    const CommandResult result = runner.run(
        {.program = "/usr/lib/apt/apt-helper",
         .arguments = {"-q", "-o", "Acquire::http::Timeout=5", "-o", "Acquire::https::Timeout=5", "-o",
                       "Acquire::Retries=0", "download-file", address, (work.path() / "InRelease").native()},
         .timeout = std::chrono::seconds(15)});
    MirrorFact fact = {.uri = source.uri};
    if (!result.succeeded()) fact.error = fetch_error(result.err, address);
    facts.push_back(std::move(fact));
  }
  return facts;
}

/// In the child: as process 1 of the new namespaces, mounts. Returns an errno.
int mount_inside() {
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
  if (::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) != 0) return errno;
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) return errno;
  return 0;
}

int enter_namespaces() {
  const int user = ::geteuid() == 0 ? 0 : CLONE_NEWUSER;
  if (::unshare(user | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS) != 0) return errno;
  const pid_t first = ::fork();  // a new pid namespace holds only children
  if (first < 0) return errno;
  if (first == 0) ::_exit(mount_inside());
  int status = 0;
  while (::waitpid(first, &status, 0) < 0) {
    if (errno != EINTR) return errno;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

}  // namespace

/// MemAvailable of /proc/meminfo: "MemAvailable:   24249420 kB" (units of 1024 bytes).
ByteSize available_memory() {
  const std::string text = value_of(small_file("/proc/meminfo").value_or(""), "MemAvailable:");
  return {std::strtoull(text.c_str(), nullptr, 10) << 10};
}

std::string version_number(const std::string& said) {
  for (std::size_t at = 0; at < said.size(); ++at) {
    const bool begins_word = at == 0 || said[at - 1] == ' ' || said[at - 1] == '(';
    if (!begins_word || !std::isdigit(static_cast<unsigned char>(said[at]))) continue;
    const std::size_t end = said.find_first_not_of("0123456789.", at);
    return said.substr(at, end == std::string::npos ? end : end - at);
  }
  return {};
}

std::uint64_t longest_subid_range(const std::string& text, const std::string& user, unsigned uid) {
  std::uint64_t longest = 0;
  std::istringstream lines(text);  // NAME-OR-UID:FIRST:COUNT
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string owner = line.substr(0, first);
    if (owner != user && owner != std::to_string(uid)) continue;
    longest = std::max<std::uint64_t>(longest, std::strtoull(line.c_str() + second + 1, nullptr, 10));
  }
  return longest;
}

std::string try_namespaces(CommandRunner& runner) {
  try {
    const CommandResult result = runner.run({.program = "true", .before_exec = enter_namespaces});
    return result.succeeded() ? "" : "a child in new namespaces can't run";
  } catch (const Error& error) {
    const std::string message = error.what();  // "cannot start 'true': REASON"
    return "they can't be made: " + message.substr(message.rfind(": ") + 2);
  }
}

HostFacts gather_host_facts(const HostRequest& request, CommandRunner& runner, Status& status) {
  const std::string os_release = small_file("/etc/os-release").value_or("");
  HostFacts facts;
  facts.uid = ::geteuid();
  const passwd* entry = ::getpwuid(facts.uid);
  facts.user = entry == nullptr ? std::to_string(facts.uid) : entry->pw_name;
  facts.distribution = value_of(os_release, "ID=");
  if (request.tree == Want::yes) facts.namespaces_error = try_namespaces(runner);
  facts.apparmor_restricts_namespaces = small_file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  facts.max_user_namespaces = small_file("/proc/sys/user/max_user_namespaces");
  facts.unprivileged_namespaces = small_file("/proc/sys/kernel/unprivileged_userns_clone");
  facts.subuids = longest_subid_range(small_file("/etc/subuid").value_or(""), facts.user, facts.uid);
  facts.subgids = longest_subid_range(small_file("/etc/subgid").value_or(""), facts.user, facts.uid);
  facts.kernels = gather_kernels();
  facts.cache = gather_space(request.cache);
  facts.output = gather_space(request.output);
  facts.memory = available_memory();
  facts.tools = gather_tools(request, runner);
  if (request.appliance == Want::yes || request.machine == Want::yes) {
    facts.kvm = probe_kvm({.cache = request.cache}, runner, status);
  }
  if (request.mirrors == Want::yes) {
    facts.proxy = find_proxy(runner);
    facts.mirrors = gather_mirrors(request, value_of(os_release, "VERSION_CODENAME="), runner);
  }
  return facts;
}

}  // namespace imgbuild
