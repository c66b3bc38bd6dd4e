#include "tree/user_namespace.h"

#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "tree/private_root.h"
#include "util/command.h"
#include "util/error.h"
#include "util/spawn.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr unsigned long kIds = 65535;  // 1…65535; a tree uses 65534 (nobody)

/// "USER:FIRST:COUNT" of subuid(5).
std::optional<unsigned long> find_range(const char* file, const std::string& user, const std::string& id) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first_colon = line.find(':');
    const std::size_t second_colon = line.find(':', first_colon + 1);
    if (second_colon == std::string::npos) continue;
    const std::string name = line.substr(0, first_colon);
    unsigned long first = 0;
    unsigned long count = 0;
    std::from_chars(line.data() + first_colon + 1, line.data() + second_colon, first);
    std::from_chars(line.data() + second_colon + 1, line.data() + line.size(), count);
    if ((name == user || name == id) && count >= kIds) return first;
  }
  return std::nullopt;
}

unsigned long require_range(const char* file, const std::string& user, const char* option) {
  const std::optional<unsigned long> first = find_range(file, user, std::to_string(::getuid()));
  if (first) return *first;
  throw Error(ExitCode::host_unfit, "{}: has no range of {} or more ids for user '{}'", file, kIds, user)
      .set_hint(fmt::format("as root: usermod {} 100000-165535 {} (any unused range), or run imgbuild as root", option, user));
}

std::string kernel_setting(const char* name) {
  std::ifstream file(std::string("/proc/sys/") + name);
  std::string value;
  std::getline(file, value);
  return value;
}

/// Why the kernel may have refused, as far as its settings tell.
Error forbidden(const std::string& what) {
  Error error(ExitCode::host_unfit, "this host forbids user namespaces to user id {}: {}", ::getuid(), what);
  if (kernel_setting("kernel/unprivileged_userns_clone") == "0") {
    return error.set_hint("as root: sysctl kernel.unprivileged_userns_clone=1, or run imgbuild as root");
  }
  if (kernel_setting("kernel/apparmor_restrict_unprivileged_userns") == "1") {
    return error.set_hint(
        "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for imgbuild with "
        "'userns,', or run imgbuild as root");
  }
  if (kernel_setting("user/max_user_namespaces") == "0") {
    return error.set_hint("as root: sysctl user.max_user_namespaces=10000, or run imgbuild as root");
  }
  return error.set_hint("run imgbuild as root, or outside of a container");
}

/// Waits for our namespace, then has the set-uid helpers write its maps. They must run outside of it.
[[noreturn]] void write_maps(const io::File& ready, const Command& uid_map, const Command& gid_map, const io::File& failure) {
  char byte = 0;
  if (::read(ready.fd(), &byte, 1) != 1) ::_exit(1);
  try {
    SystemCommandRunner runner;
    run_checked(runner, uid_map);
    run_checked(runner, gid_map);
  } catch (const std::exception& error) {
    (void)!::write(failure.fd(), error.what(), std::strlen(error.what()));
    ::_exit(1);
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(0);
}

Command map_command(const char* program, unsigned outside, unsigned long first) {
  if (!find_program(program)) {
    throw Error(ExitCode::host_unfit, "program '{}' is not installed", program).set_hint("as root: apt-get install uidmap");
  }
  return {.program = program,
          .arguments = {std::to_string(::getpid()), "0", std::to_string(outside), "1", "1", std::to_string(first),
                        std::to_string(kIds)}};
}

std::string user_name() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry == nullptr ? std::to_string(::getuid()) : entry->pw_name;
}

}  // namespace

void enter_user_namespace() {
  if (::geteuid() == 0) return;
  const std::string user = user_name();
  const Command uid_map = map_command("newuidmap", ::geteuid(), require_range("/etc/subuid", user, "--add-subuids"));
  const Command gid_map = map_command("newgidmap", ::getegid(), require_range("/etc/subgid", user, "--add-subgids"));
  Pipe ready = make_pipe();
  Pipe failure = make_pipe();
  const pid_t helper = ::fork();
  if (helper < 0) throw system_error(errno, "cannot make a process");
  if (helper == 0) {
    ready.write_end = io::File(-1, {});
    write_maps(ready.read_end, uid_map, gid_map, failure.write_end);
  }
  failure.write_end = io::File(-1, {});
  const int error = ::unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
  if (error == 0) (void)!::write(ready.write_end.fd(), "", 1);
  ready.write_end = io::File(-1, {});
  std::string why(4096, '\0');
  const ssize_t size = ::read(failure.read_end.fd(), why.data(), why.size());
  const int status = wait_for_end(helper);
  if (error != 0) throw forbidden(std::strerror(error));
  if (status != 0) throw forbidden(why.substr(0, size > 0 ? static_cast<std::size_t>(size) : 0));
  if (::setgroups(0, nullptr) != 0 || ::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) {
    throw forbidden(std::strerror(errno));
  }
  if (!can_use_namespaces()) throw forbidden("they come without their capabilities, or /proc can't be mounted in them");
}

}  // namespace imgbuild
