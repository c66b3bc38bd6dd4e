#include "tree/private_root.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include "util/error.h"

namespace imgbuild {

struct PrivateRoot::Shared {
  int failed = -1;         ///< index of an action, or one of the negative codes below
  int program_status = 0;  ///< wait status
};

namespace {

constexpr int kNothingFailed = -1;
constexpr int kNamespaces = -2;
constexpr int kPrivateMounts = -3;
constexpr int kPivot = -4;

// From here to the next brace at column 0 only async-signal-safe calls: we are between fork and exec.

volatile pid_t init_process = 0;

extern "C" void end_init(int) { ::kill(init_process, SIGKILL); }

int perform(const RootAction& action) {
  using Kind = RootAction::Kind;
  const char* target = action.target.c_str();
  if (action.kind == Kind::mount) {
    return ::mount(action.source.c_str(), target, action.type.c_str(), action.flags, action.data.c_str());
  }
  if (action.kind == Kind::link) return ::symlink(action.source.c_str(), target);
  if (action.kind == Kind::folder) {
    if (::mkdir(target, action.mode) != 0) return errno == EEXIST ? 0 : -1;
    return ::chmod(target, action.mode);
  }
  const int fd = ::open(target, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  const ssize_t put = ::write(fd, action.data.data(), action.data.size());
  ::close(fd);
  return put == static_cast<ssize_t>(action.data.size()) ? 0 : -1;
}

int change_root(const char* root) {
  if (::chdir(root) != 0) return -1;
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return -1;
  if (::umount2(".", MNT_DETACH) != 0) return -1;
  return ::chdir("/");
}

/// Makes the system calls that wait for the disk do nothing: half of a package installation is waiting for them.
void suppress_syncs() {
#if defined(__x86_64__)
  constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
  constexpr unsigned kArchitecture = 0;
#endif
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sync, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_syncfs, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sync_file_range, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  (void)::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);  // a kernel that refuses only makes us slower
}

/// What a maintainer script could do to the host through the kernel.
void drop_capabilities() {
  constexpr int kDropped[] = {CAP_SYS_MODULE, CAP_SYS_RAWIO,   CAP_SYS_BOOT,       CAP_SYS_TIME,     CAP_NET_ADMIN,
                              CAP_SYSLOG,     CAP_SYS_ADMIN,   CAP_AUDIT_CONTROL,  CAP_MAC_ADMIN,    CAP_MAC_OVERRIDE,
                              CAP_SYS_PACCT,  CAP_WAKE_ALARM,  CAP_BLOCK_SUSPEND,  CAP_SYS_TTY_CONFIG};
  for (const int capability : kDropped) (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // unknown to old kernels
}

void raise_loopback() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  ifreq request = {};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  (void)::ioctl(fd, SIOCSIFFLAGS, &request);  // a script that needs it will say so
  ::close(fd);
}

/// Waits for 'pid' and, as pid 1 must, for everybody else.
int reap_until(pid_t pid) {
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) return 0;
  }
}

[[noreturn]] void end_like(int status) {
  if (WIFSIGNALED(status)) {
    std::signal(WTERMSIG(status), SIG_DFL);
    ::kill(::getpid(), WTERMSIG(status));
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

PrivateRoot::PrivateRoot(PrivateRootPlan plan) : plan_(std::move(plan)) {
  plan_.arguments.insert(plan_.arguments.begin(), plan_.program);
  argv_ = pointers(plan_.arguments);
  envp_ = pointers(plan_.environment);
  void* page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw system_error(errno, "cannot share memory");
  shared_ = new (page) Shared;
}

PrivateRoot::~PrivateRoot() { (void)::munmap(shared_, sizeof(Shared)); }

int PrivateRoot::enter() {
  int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  if (plan_.network == PrivateRootPlan::Network::none) flags |= CLONE_NEWNET;
  int lifeline[2];
  if (::unshare(flags) != 0 || ::pipe2(lifeline, O_CLOEXEC) != 0) {
    shared_->failed = kNamespaces;
    return errno;
  }
  const pid_t outer = ::getpid();
  const pid_t init = ::_Fork();
  if (init < 0) return errno;
  if (init == 0) {
    ::close(lifeline[1]);
    return become_init(outer, lifeline[0]);
  }
  init_process = init;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, end_init);
  // The pipe that tells of a failed exec must be open in the program alone; the lifeline's end stays with us.
  ::dup2(lifeline[1], 3);
  ::close_range(4, ~0U, 0);
  int status = 0;
  while (::waitpid(init, &status, 0) < 0 && errno == EINTR) {
  }
  end_like(WIFSIGNALED(status) ? status : shared_->program_status);
}

int PrivateRoot::become_init(pid_t, int lifeline) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pollfd end = {lifeline, 0, 0};
  if (::poll(&end, 1, 0) > 0) ::_exit(127);  // outer died before prctl
  if (const int error = prepare()) return error;
  const pid_t program = ::_Fork();
  if (program < 0) return errno;
  if (program == 0) return start_program();
  ::close_range(3, ~0U, 0);
  shared_->program_status = reap_until(program);
  ::_exit(0);
}

int PrivateRoot::prepare() const {
  const auto failed = [this](int what) {
    shared_->failed = what;
    return errno;
  };
  if (::mount("", "/", "", MS_REC | MS_PRIVATE, "") != 0) return failed(kPrivateMounts);
  if (::mount(plan_.root.c_str(), plan_.root.c_str(), "", MS_BIND | MS_REC, "") != 0) return failed(kPivot);
  ::umask(0);
  for (std::size_t i = 0; i < plan_.actions.size(); ++i) {
    if (perform(plan_.actions[i]) != 0) return failed(static_cast<int>(i));
  }
  ::umask(022);
  if (change_root(plan_.root.c_str()) != 0) return failed(kPivot);
  (void)!::sethostname("localhost", 9);  // our own uts namespace: cannot fail
  if (plan_.network == PrivateRootPlan::Network::none) raise_loopback();
  return 0;
}

int PrivateRoot::start_program() {
  const rlimit no_core = {0, 0};
  (void)::setrlimit(RLIMIT_CORE, &no_core);
  (void)::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // what others left open; Linux 5.11
  suppress_syncs();
  drop_capabilities();
  ::execve(plan_.program.c_str(), argv_.data(), envp_.data());
  return errno;
}

std::string PrivateRoot::failed_action() const {
  const int failed = shared_->failed;
  if (failed == kNothingFailed) return "";
  if (failed == kNamespaces) return "make namespaces";
  if (failed == kPrivateMounts) return "make mounts private";
  if (failed == kPivot) return "make the tree the root";
  const RootAction& action = plan_.actions[static_cast<std::size_t>(failed)];
  const std::string shown = action.target.substr(std::min(plan_.root.size(), action.target.size()));
  return fmt::format("{} '{}'", action.kind == RootAction::Kind::mount ? "mount" : "make", shown);
}

bool can_use_namespaces() {
  const pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) {
    if (::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) != 0) ::_exit(1);
    const pid_t init = ::_Fork();
    if (init == 0) {
      const bool works = ::mount("", "/", "", MS_REC | MS_PRIVATE, "") == 0 &&
                         ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "") == 0;
      ::_exit(works ? 0 : 1);
    }
    int status = 1;
    if (init < 0 || ::waitpid(init, &status, 0) != init) ::_exit(1);
    ::_exit(status == 0 ? 0 : 1);
  }
  int status = 1;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0;
}

}  // namespace imgbuild
