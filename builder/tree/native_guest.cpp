#include "tree/native_guest.h"

#include <sys/mount.h>

#include "tree/folder_guest.h"
#include "tree/private_root.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr unsigned long kClosed = MS_NOSUID | MS_NODEV | MS_NOEXEC;
constexpr std::string_view kNameServers = "/etc/resolv.conf";

/// File systems every command gets, in the order they are mounted.
struct StandardMount {
  const char* path;
  const char* type;
  unsigned long flags;
  const char* data;
};
constexpr StandardMount kStandardMounts[] = {
    {"/proc", "proc", kClosed, ""},
    {"/sys", "tmpfs", kClosed | MS_RDONLY, "mode=555"},  // what is in the host's must not reach the tree
    {"/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755"},
    {"/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"},
    {"/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"},
};
constexpr const char* kDevices[] = {"null", "zero", "full", "random", "urandom", "tty"};
struct DeviceLink {
  const char* name;
  const char* target;
};
constexpr DeviceLink kDeviceLinks[] = {{"ptmx", "pts/ptmx"},
                                       {"fd", "/proc/self/fd"},
                                       {"stdin", "/proc/self/fd/0"},
                                       {"stdout", "/proc/self/fd/1"},
                                       {"stderr", "/proc/self/fd/2"}};

RootAction bind_mount(const std::string& source, const std::string& target, unsigned long flags) {
  return {.kind = RootAction::Kind::mount, .target = target, .source = source, .flags = MS_BIND | flags};
}

RootAction folder(const std::string& target, mode_t mode) {
  return {.kind = RootAction::Kind::folder, .target = target, .mode = mode};
}

RootAction file(const std::string& target, const std::string& content) {
  return {.kind = RootAction::Kind::file, .target = target, .data = content};
}

RootAction link(const std::string& target, const std::string& source) {
  return {.kind = RootAction::Kind::link, .target = target, .source = source};
}

class NativeGuest : public FolderGuest {
 public:
  explicit NativeGuest(const NativeGuestOptions& options)
      : FolderGuest(options.tree), options_(options), tree_(fs::absolute(options.tree).lexically_normal().native()) {}

  CommandResult run(const GuestCommand& command) override {
    PrivateRootPlan root_plan = plan(command);
    Command child{.program = root_plan.program, .input = command.input, .timeout = command.timeout};
    PrivateRoot root(std::move(root_plan));
    child.on_line = command.on_line;
    child.before_exec = [&root] { return root.enter(); };
    const NameServers name_servers(*this, command);
    try {
      return SystemCommandRunner().run(child);
    } catch (Error& error) {
      if (root.failed_action().empty()) throw;
      throw Error(ExitCode::host_unfit, "cannot {} for '{}': {}", root.failed_action(), command.program, error.what())
          .set_hint("`imgbuild doctor` says what this host lacks; the libguestfs backend needs no namespaces");
    }
  }

 private:
  /// A place to mount the name servers' file on, where the tree has none.
  class NameServers {
   public:
    NameServers(const NativeGuest& guest, const GuestCommand& command) : guest_(guest) {
      made_ = command.network == GuestCommand::Network::yes && !guest.root().exists(kNameServers);
      if (made_) guest.root().write_file(kNameServers, "", 0644);
    }
    ~NameServers() {
      try {
        if (made_) guest_.root().remove(kNameServers);
      } catch (const Error&) {  // generalize removes it too
      }
    }
    NameServers(const NameServers&) = delete;
    NameServers& operator=(const NameServers&) = delete;

   private:
    const NativeGuest& guest_;
    bool made_ = false;
  };

  [[nodiscard]] PrivateRootPlan plan(const GuestCommand& command) const {
    PrivateRootPlan plan{.root = tree_};
    plan.program = find_program_inside(command.program);
    plan.arguments = command.arguments;
    plan.environment.assign(std::begin(kGuestEnvironment), std::end(kGuestEnvironment));
    plan.environment.push_back(fmt::format("SOURCE_DATE_EPOCH={}", options_.source_date_epoch));
    plan.environment.insert(plan.environment.end(), command.environment.begin(), command.environment.end());
    add_standard(plan.actions);
    for (const SharedFolder& shared : command.shared) {
      require_mount_point(shared.path);
      plan.actions.push_back(bind_mount(fs::absolute(shared.host).native(), tree_ + shared.path, 0));
    }
    if (command.network == GuestCommand::Network::yes) {
      plan.network = PrivateRootPlan::Network::host;
      add_name_servers(plan.actions);
    }
    return plan;
  }

  /// A folder we may mount on: a link there would lead the mount out of the tree.
  void require_mount_point(const std::string& path) const {
    root().make_folder(path, 0755);
    (void)root().open_folder(path, Links::refuse);  // throws
  }

  void add_standard(std::vector<RootAction>& actions) const {
    for (const StandardMount& mount : kStandardMounts) {
      require_mount_point(mount.path);
      actions.push_back({.kind = RootAction::Kind::mount, .target = tree_ + mount.path, .source = mount.type,
                         .type = mount.type, .data = mount.data, .flags = mount.flags});
    }
    const std::string kernel_settings = tree_ + "/proc/sys";
    actions.push_back(bind_mount(kernel_settings, kernel_settings, 0));
    actions.push_back(bind_mount("none", kernel_settings, MS_REMOUNT | MS_RDONLY | kClosed));
    add_devices(actions);
    actions.push_back(folder(tree_ + "/run/lock", 01777));
  }

  void add_devices(std::vector<RootAction>& actions) const {
    const std::string dev = tree_ + "/dev/";
    for (const char* name : kDevices) {  // bound, for mknod is forbidden in a user namespace
      actions.push_back(file(dev + name, ""));
      actions.push_back(bind_mount(std::string("/dev/") + name, dev + name, 0));
    }
    actions.push_back(folder(dev + "pts", 0755));
    actions.push_back({.kind = RootAction::Kind::mount, .target = dev + "pts", .source = "devpts", .type = "devpts",
                       .data = "newinstance,ptmxmode=0666,mode=0620,gid=5", .flags = MS_NOSUID | MS_NOEXEC});
    for (const DeviceLink& device : kDeviceLinks) actions.push_back(link(dev + device.name, device.target));
    actions.push_back(folder(dev + "shm", 01777));
    for (const std::string& path : options_.device_files) {
      if (!path.starts_with("/dev/")) throw Error(ExitCode::step_failed, "device file '{}' is not in /dev", path);
      add_folders(actions, fs::path(path).parent_path(), "/dev");
      actions.push_back(file(tree_ + path, ""));
    }
  }

  /// 'path' and what is between it and 'top', which is there.
  void add_folders(std::vector<RootAction>& actions, const fs::path& path, const fs::path& top) const {
    if (path == top) return;
    add_folders(actions, path.parent_path(), top);
    actions.push_back(folder(tree_ + path.native(), 0755));
  }

  /// The host's name servers under the tree's own name for them.
  void add_name_servers(std::vector<RootAction>& actions) const {
    if (!fs::exists(kNameServers)) return;
    const std::string content = io::read_file(kNameServers);
    const std::optional<struct stat> status = root().status(kNameServers);
    if (!status || !S_ISLNK(status->st_mode)) {
      actions.push_back(file(tree_ + "/run/imgbuild-resolv.conf", content));
      actions.push_back(bind_mount(tree_ + "/run/imgbuild-resolv.conf", tree_ + std::string(kNameServers), 0));
      return;
    }
    const fs::path target = (fs::path("/etc") / root().read_link(kNameServers)).lexically_normal();
    if (!target.native().starts_with("/run/")) return;
    add_folders(actions, target.parent_path(), "/run");
    actions.push_back(file(tree_ + target.native(), content));
  }

  [[nodiscard]] std::string find_program_inside(const std::string& program) const {
    if (program.find('/') != std::string::npos) return program;
    for (const char* place : {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
      if (root().exists(place + program)) return place + program;
    }
    throw Error(ExitCode::step_failed, "program '{}' is not installed in the tree", program);
  }

  NativeGuestOptions options_;
  std::string tree_;
};

}  // namespace

std::unique_ptr<Guest> make_native_guest(const NativeGuestOptions& options) {
  static const bool usable = can_use_namespaces();  // a network namespace takes the kernel milliseconds, and each step has a guest
  if (!usable) {
    throw Error(ExitCode::host_unfit, "this host does not let us make namespaces and mount /proc in them")
        .set_hint("run as root, outside of a container without privileges, or use the libguestfs backend");
  }
  return std::make_unique<NativeGuest>(options);
}

}  // namespace imgbuild
