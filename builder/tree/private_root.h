#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace imgbuild {

/// One preparation of a private root, done between fork and exec, so plain data only. Paths are the host's.
struct RootAction {
  enum class Kind {
    mount,   ///< mount(2) with all fields
    folder,  ///< mkdir 'target' with 'mode'; existing is fine
    file,    ///< create 'target' with content 'data'; existing is fine
    link,    ///< symlink 'source' as 'target'
  };
  Kind kind;
  std::string target;
  std::string source = {};
  std::string type = {};
  std::string data = {};
  unsigned long flags = 0;
  mode_t mode = 0755;
};

/// How a program is to be run in a private root.
struct PrivateRootPlan {
  std::string root;                  ///< becomes "/"
  std::vector<RootAction> actions;   ///< in order, in the new mount namespace, before 'root' becomes "/"
  enum class Network { none, host } network = Network::none;  ///< none: a loopback of its own
  std::string program;               ///< path below the new root
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  ///< complete
};

/// Runs a program in new mount, pid, ipc, uts and (unless the host's is wanted) network namespaces:
///
///   we ── fork ── outer: waits, passes the status on; SIGTERM ends all inside
///                  └─ init (pid 1): mounts, pivot_root, drops capabilities, reaps
///                      └─ the program
///
/// Each dies when the one above it dies, and the kernel ends everything in a pid namespace with its init; mounts live in
/// the namespace only. So nothing is left over however we end. Inside, fsync and its like do nothing (a tree that is cut
/// short is thrown away), /proc/sys is read-only, and capabilities that reach beyond the tree are gone.
class PrivateRoot {
 public:
  explicit PrivateRoot(PrivateRootPlan plan);
  ~PrivateRoot();
  PrivateRoot(const PrivateRoot&) = delete;
  PrivateRoot& operator=(const PrivateRoot&) = delete;

  /// For Command::before_exec. Does not return in the child that becomes the program, unless exec fails: then gives errno.
  [[nodiscard]] int enter();

  /// What could not be done, after enter() failed: "mount '/dev/pts'"; empty if that was the program itself.
  [[nodiscard]] std::string failed_action() const;

 private:
  struct Shared;
  [[nodiscard]] int become_init(pid_t outer, int lifeline);
  [[nodiscard]] int prepare() const;
  [[nodiscard]] int start_program();

  PrivateRootPlan plan_;
  std::vector<char*> argv_;
  std::vector<char*> envp_;
  Shared* shared_;  ///< one page that all four processes see
};

/// True where a process may make the namespaces PrivateRoot needs and mount /proc in them. Tried in a child.
[[nodiscard]] bool can_use_namespaces();

}  // namespace imgbuild
