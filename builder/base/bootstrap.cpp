#include "base/bootstrap.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include <fmt/ranges.h>

#include "base/archive_sources.h"
#include "base/boot_loader.h"
#include "util/digest.h"
#include "util/disk_writer.h"
#include "util/error.h"
#include "util/io.h"
#include "util/root_folder.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// Every time a bootstrap would otherwise take from the clock: 2025-01-01. A constant, for the same packages
/// must give the same digest next week; older than any base we make, for nothing may lie in the future.
constexpr std::chrono::sys_seconds kEpoch{std::chrono::seconds(1735689600)};

/// What both distributions name alike.
constexpr std::array<std::string_view, 21> kPackages = {"ca-certificates",
                                                        "cloud-guest-utils",
                                                        "cloud-init",
                                                        "dbus",
                                                        "e2fsprogs",
                                                        "fdisk",
                                                        "grub-efi-amd64-bin",
                                                        "grub-pc-bin",
                                                        "grub2-common",
                                                        "initramfs-tools",
                                                        "iproute2",
                                                        "libpam-systemd",
                                                        "netbase",
                                                        "netplan.io",
                                                        "openssh-server",
                                                        "python3-jinja2",
                                                        "python3-yaml",
                                                        "sudo",
                                                        "systemd-sysv",
                                                        "systemd-timesyncd",
                                                        "udev"};

/// What is unique to this run or machine. Patterns of RootFolder::glob.
constexpr std::array<std::string_view, 20> kRemoved = {"/etc/ssh/ssh_host_*",
                                                       "/etc/hostname",
                                                       "/etc/.pwd.lock",
                                                       "/etc/apt/sources.list",
                                                       "/etc/apt/sources.list.d/*",
                                                       "/etc/apt/apt.conf.d/99mmdebstrap",
                                                       "/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
                                                       "/etc/*-",
                                                       "/var/lib/dpkg/*-old",
                                                       "/var/lib/dpkg/lock*",
                                                       "/var/lib/dbus/machine-id",
                                                       "/var/lib/systemd/random-seed",
                                                       "/var/lib/systemd/credential.secret",
                                                       "/var/lib/apt/lists/*",
                                                       "/var/cache/apt/*",
                                                       "/var/cache/ldconfig/aux-cache",
                                                       "/var/cache/debconf/*-old",
                                                       "/var/log/*",
                                                       "/root/.bash_history",
                                                       "/tmp/*"};

/// no_timer_check: a busy host without KVM delays the timer so much that the kernel's check for a broken one
/// panics.
constexpr const char* kGrubSettings =
    "GRUB_DEFAULT=0\n"
    "GRUB_TIMEOUT=0\n"
    "GRUB_RECORDFAIL_TIMEOUT=0\n"
    "GRUB_DISABLE_OS_PROBER=true\n"
    "GRUB_DISTRIBUTOR=\"GNU/Linux\"\n"
    "GRUB_CMDLINE_LINUX_DEFAULT=\"\"\n"
    "GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200 no_timer_check\"\n"
    "GRUB_TERMINAL=console\n";

constexpr const char* kHosts =
    "127.0.0.1 localhost\n"
    "::1 localhost ip6-localhost ip6-loopback\n"
    "ff02::1 ip6-allnodes\n"
    "ff02::2 ip6-allrouters\n";

OsRelease host_release() {
  const fs::path file = "/etc/os-release";
  OsRelease release = parse_os_release(io::read_file(file, 1_MiB), file.native());
  if ((release.id == "debian" || release.id == "ubuntu") && !release.codename.empty()) return release;
  throw Error(ExitCode::host_unfit, "cannot make a base from this host: '{}' is neither Debian nor Ubuntu",
              release.id)
      .set_hint("fetch or import a base instead, see `imgbuild base --help`");
}

void check_host(const OsRelease& release) {
  if (::geteuid() != 0) {
    throw Error(ExitCode::host_unfit, "cannot make a base: needs root")
        .set_hint("run it with sudo, or import a disk image");
  }
  for (const char* program : {"mmdebstrap", "mkfs.fat", "mke2fs", "mcopy"}) {
    if (find_program(program)) continue;
    throw Error(ExitCode::host_unfit, "cannot make a base: '{}' is not installed", program)
        .set_hint("apt install mmdebstrap dosfstools mtools e2fsprogs");
  }
  if (!fs::exists(archive_keyring(release.id))) {
    throw Error(ExitCode::host_unfit, "cannot make a base: '{}' is missing", archive_keyring(release.id))
        .set_hint(fmt::format("apt install {}",
                              release.id == "debian" ? "debian-archive-keyring" : "ubuntu-keyring"));
  }
}

/// The archives to use: the host's, the one with the release itself replaced by the mirror.
std::vector<ArchiveSource> chosen_sources(const BootstrapOptions& options, const OsRelease& release) {
  std::vector<ArchiveSource> sources = distribution_sources("/", release);
  if (options.mirror.empty()) return sources;
  for (ArchiveSource& source : sources) {
    if (std::find(source.suites.begin(), source.suites.end(), release.codename) != source.suites.end()) {
      source.uri = options.mirror;
    }
  }
  return sources;
}

/// In the child: mounts of mmdebstrap end with it, however it ends.
int leave_mounts_behind() {
  if (::unshare(CLONE_NEWNS) != 0) return errno;
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : errno;
}

/// APT's words when it got no answer; anything else (a signature, a package) is no matter of the network.
bool is_network_failure(const std::string& said) {
  constexpr std::array<std::string_view, 5> kWords = {"Temporary failure resolving", "Could not resolve",
                                                      "Could not connect", "Connection timed out",
                                                      "Connection failed"};
  return std::ranges::any_of(
      kWords, [&said](std::string_view words) { return said.find(words) != std::string::npos; });
}

void run_mmdebstrap(const MmdebstrapRequest& request, const fs::path& work, CommandRunner& runner,
                    Status& status) {
  status.begin("installing the base system");
  Command command{
      .program = "mmdebstrap",
      .arguments = mmdebstrap_arguments(request),
      .environment = {fmt::format("SOURCE_DATE_EPOCH={}", kEpoch.time_since_epoch().count()),
                      "TMPDIR=" + work.native(), "PYTHONHASHSEED=0", "DEBIAN_FRONTEND=noninteractive"},
      .directory = work,
      .before_exec = leave_mounts_behind};
  command.on_line = [&status](std::string_view line) {
    if (line.starts_with("I: ")) status.progress(0, 0, line.substr(3));
  };
  const CommandResult result = runner.run(command);
  if (result.succeeded()) return;
  const std::string failure = command_error(command, result).what();
  if (!is_network_failure(result.err)) throw Error(ExitCode::step_failed, "{}", failure);
  throw Error(ExitCode::network, "{}", failure)
      .set_hint("check the network and the package sources of this host, or name another --mirror");
}

std::string fstab(const DiskLayout& layout) {
  return fmt::format(
      "LABEL={} / ext4 defaults,discard,errors=remount-ro 0 1\n"
      "LABEL=UEFI /boot/efi vfat umask=0077,nofail 0 2\n",
      find_mounted(layout, "/")->ext4.label);
}

/// Digest over names and versions of all packages: what "the same packages" means.
std::string packages_digest(const fs::path& tree) {
  return sha256(RootFolder(tree).read_file("/var/lib/dpkg/status"));
}

}  // namespace

std::vector<std::string> mmdebstrap_arguments(const MmdebstrapRequest& request) {
  const bool debian = request.release.id == "debian";
  std::vector<std::string> packages(kPackages.begin(), kPackages.end());
  packages.emplace_back(debian ? "linux-image-cloud-amd64" : "linux-image-virtual");
  // Ubuntu 22.04 has it in systemd itself.
  if (request.release.version_id != "22.04") packages.emplace_back("systemd-resolved");
  return {"--mode=root",
          "--variant=apt",
          "--format=tar",
          "--architectures=amd64",
          fmt::format("--include={}", fmt::join(packages, ",")),
          "--aptopt=Acquire::Check-Valid-Until \"true\"",
          "--aptopt=Acquire::Check-Date \"true\"",
          "--aptopt=Acquire::AllowInsecureRepositories \"false\"",
          "--aptopt=Acquire::Retries \"3\"",
          "--aptopt=APT::Update::Error-Mode \"any\"",
          "--aptopt=APT::Get::AllowUnauthenticated \"false\"",
          "--aptopt=APT::Install-Recommends \"false\"",
          "--aptopt=Acquire::Languages \"none\"",
          request.release.codename,
          request.tar.native(),
          request.sources.native()};
}

void prepare_bootstrap_tree(const fs::path& tree, const DiskLayout& layout, const std::string& sources) {
  const RootFolder root(tree);
  for (const std::string_view pattern : kRemoved) {
    for (const std::string& path : root.glob(pattern)) root.remove(path);
  }
  // Empty, not "uninitialized": then systemd-firstboot does not ask questions on the console. Masked besides.
  root.write_file("/etc/machine-id", "", 0444);
  root.make_link("/etc/systemd/system/systemd-firstboot.service", "/dev/null");
  root.write_file("/etc/hosts", kHosts, 0644);
  root.write_file("/etc/fstab", fstab(layout), 0644);
  root.write_file("/etc/default/grub", kGrubSettings, 0644);
  root.write_file("/etc/default/locale", "LANG=C.UTF-8\n", 0644);
  // No package of GRUB here asks debconf for a disk, and the module fails without one.
  root.write_file("/etc/cloud/cloud.cfg.d/10_grub.cfg", "grub_dpkg: {enabled: false}\n", 0644);
  root.write_file("/etc/apt/sources.list.d/distribution.sources", sources, 0644);
}

Base bootstrap(const BootstrapOptions& options, CommandRunner& runner, Status& status) {
  const OsRelease release = host_release();
  check_host(release);
  const std::string sources = to_deb822(chosen_sources(options, release), release.id);
  const io::TemporaryDirectory work(options.work, "bootstrap");
  const MmdebstrapRequest request = {
      .release = release, .sources = work.path() / "distribution.sources", .tar = work.path() / "system.tar"};
  io::write_file(request.sources, sources, 0644);
  run_mmdebstrap(request, work.path(), runner, status);

  status.begin("unpacking the base system");
  const fs::path tree = work.path() / "tree";
  (void)extract_tree(request.tar, tree, {.progress = [&](std::uint64_t done, std::uint64_t total) {
                       status.progress(done, total, "");
                     }});
  const DiskLayout layout = cloud_layout(options.name);
  prepare_bootstrap_tree(tree, layout, sources);
  const fs::path disk = work.path() / "disk.raw";
  install_boot_loader({.tree = tree,
                       .layout = layout,
                       .raw = disk,
                       .work = work.path(),
                       .newest = kEpoch,
                       .acceleration = options.acceleration},
                      runner, status);

  // From here neither tree nor disk changes.
  status.begin("saving the base");
  Base base{
      .name = options.name,
      .layout = layout,
      .distribution = release.id,
      .release = release.version_id,
      .architecture = "amd64",
      .made = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
      .origin = {{"kind", "bootstrap"}, {"source", sources}, {"packages_sha256", packages_digest(tree)}}};
  base = save_base(options.bases, {.base = base, .tree = tree, .disk = disk});
  status.end(base.digest.substr(0, 16));
  return base;
}

}  // namespace imgbuild
