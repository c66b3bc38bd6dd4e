#include "tree/overlay_mount.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

io::File open_path(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) throw system_error(errno, fmt::format("cannot open '{}'", path.native()));
  return {fd, path};
}

/// The initial user namespace maps every id to itself. In any other the kernel does not let us write its trusted attributes.
bool is_initial_namespace() {
  static constexpr std::string_view kEveryId = "4294967295";
  return io::read_file("/proc/self/uid_map").find(kEveryId) != std::string::npos;
}

/// Through descriptors: a path may hold ',' and ':', and many long ones do not fit into a page.
std::string options_of(const io::File& upper, const io::File& work, const std::vector<io::File>& lower) {
  std::string options = fmt::format("upperdir=/proc/self/fd/{},workdir=/proc/self/fd/{},lowerdir=", upper.fd(), work.fd());
  for (std::size_t i = 0; i < lower.size(); ++i) options += fmt::format("{}/proc/self/fd/{}", i == 0 ? "" : ":", lower[i].fd());
  // What lies in a layer must not depend on the host's defaults: whole files, no redirections.
  return options + ",index=off,metacopy=off,redirect_dir=off" + (is_initial_namespace() ? "" : ",userxattr");
}

/// In a child with mounts of its own: shows two folders as one, removes a file and puts another folder in a folder's place.
bool try_overlay(const fs::path& folder) {
  enter_mount_namespace();
  for (const char* name : {"lower", "lower/replaced", "upper", "work", "target"}) io::make_directories(folder / name, 0755);
  io::write_file(folder / "lower/replaced/file", "", 0644);
  io::write_file(folder / "lower/removed", "", 0644);
  const OverlayMount mount({.lower = {folder / "lower"}, .upper = folder / "upper", .work = folder / "work"}, folder / "target");
  io::remove_file(mount.path() / "removed");
  io::remove_tree(mount.path() / "replaced");
  io::make_directories(mount.path() / "replaced", 0755);
  return !fs::exists(mount.path() / "replaced/file") && ::access((folder / "upper/removed").c_str(), F_OK) == 0;
}

}  // namespace

void enter_mount_namespace() {
  // Slave: what the host mounts later is seen here too, and nothing goes the other way.
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", "", MS_REC | MS_SLAVE, "") != 0) {
    throw system_error(errno, "cannot have mounts of our own").set_hint("run as root, or see `imgbuild doctor`");
  }
}

OverlayMount::OverlayMount(const OverlayFolders& folders, fs::path target) : target_(std::move(target)) {
  std::vector<io::File> lower;
  for (const fs::path& folder : folders.lower) lower.push_back(open_path(folder));
  const io::File upper = open_path(folders.upper);
  const io::File work = open_path(folders.work);
  const std::string options = options_of(upper, work, lower);
  // Kernels before 5.10 know no "volatile" and sync when asked to, which only takes time.
  for (const char* more : {",volatile", ""}) {
    if (::mount("overlay", target_.c_str(), "overlay", MS_NODEV, (options + more).c_str()) == 0) return;
  }
  throw Error(ExitCode::host_unfit, "cannot mount an overlay on '{}': {}", folders.upper.native(), std::strerror(errno));
}

OverlayMount::~OverlayMount() {
  // Busy only if a program that was ended is not quite gone; the kernel then completes it.
  if (::umount2(target_.c_str(), 0) != 0) (void)::umount2(target_.c_str(), MNT_DETACH);
}

bool can_mount_overlay(const fs::path& folder) {
  const io::TemporaryDirectory place(folder, "overlay");
  const pid_t child = ::fork();
  if (child < 0) throw system_error(errno, "cannot make a process");
  if (child == 0) {
    try {
      ::_exit(try_overlay(place.path()) ? 0 : 1);
    } catch (...) {
      ::_exit(1);
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace imgbuild
