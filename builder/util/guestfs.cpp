#include "util/guestfs.h"

#include <guestfs.h>

#include <algorithm>

#include "util/c_strings.h"
#include "util/error.h"
#include "util/guestfs_watch.h"
#include "util/interrupt.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// With a KVM that works the appliance is up 2 to 4 s after QEMU's start.
constexpr std::chrono::seconds kKvmStart{20};

using Handle = std::unique_ptr<guestfs_h, decltype([](guestfs_h* handle) { guestfs_close(handle); })>;

}  // namespace

struct Guestfs::State {
  State(const GuestfsOptions& given, Status& told) : options(given), status(told), watch(given.work) {}

  GuestfsOptions options;
  Status& status;
  GuestfsWatch watch;
  Handle handle;
  int covers = 0;  ///< made so far; a second try makes new ones

  [[noreturn]] void fail(const std::string& doing) {
    const char* last = guestfs_last_error(handle.get());
    const std::string reason = last == nullptr ? "no reason given" : last;
    switch (watch.reason()) {
      case GuestfsWatch::Reason::interrupted:
        throw Interrupted{interrupt_signal()};
      case GuestfsWatch::Reason::deadline:
        throw Error(ExitCode::step_failed, "cannot {}: it took longer than {}", doing,
                    format_duration(watch.time_limit()));
      case GuestfsWatch::Reason::too_long:
        throw Error(ExitCode::step_failed, "cannot {}: there is more than we accept", doing);
      case GuestfsWatch::Reason::start_limit:
      case GuestfsWatch::Reason::none:
        break;
    }
    throw Error(ExitCode::step_failed, "cannot {}: {}", doing, reason);
  }

  void check(int result, const std::string& doing) {
    if (result == -1) fail(doing);
  }

  template <typename Pointer>
  Pointer* check(Pointer* result, const std::string& doing) {
    if (result == nullptr) fail(doing);
    return result;
  }

  void prepare(const std::vector<GuestfsDrive>& drives) {
    handle.reset(guestfs_create_flags(GUESTFS_CREATE_NO_CLOSE_ON_EXIT));
    if (!handle) throw Error(ExitCode::host_unfit, "cannot make a libguestfs handle");
    guestfs_h* g = handle.get();
    guestfs_set_error_handler(g, nullptr, nullptr);
    guestfs_set_pgroup(g, 1);  // a Ctrl-C in the terminal is for us: the watch ends it
    check(guestfs_set_tmpdir(g, options.work.c_str()), "set the appliance's folder");
    check(guestfs_set_backend(g, "direct"), "choose the appliance's backend");
    check(guestfs_set_memsize(g, static_cast<int>(options.memory.bytes >> 20)), "set the appliance's memory");
    check(guestfs_set_network(g, options.network == GuestfsOptions::Network::on ? 1 : 0),
          "set the appliance's network");
    for (const GuestfsDrive& drive : drives) add(drive);
    guestfs_set_event_callback(g, &State::on_progress, GUESTFS_EVENT_PROGRESS, 0, this);
  }

  void add(const GuestfsDrive& drive) {
    const bool covered = drive.access == GuestfsDrive::Access::read_only;
    const fs::path file = covered ? make_cover(drive) : drive.path;
    const std::string format = covered ? "qcow2" : drive.format;
    check(guestfs_add_drive_opts(handle.get(), file.c_str(), GUESTFS_ADD_DRIVE_OPTS_FORMAT, format.c_str(),
                                 GUESTFS_ADD_DRIVE_OPTS_CACHEMODE, "unsafe", -1),
          fmt::format("give '{}' to the appliance", drive.path.native()));
  }

  /// A file over the drive that takes all writes. The library's own READONLY does the same, but gives it to
  /// QEMU without a format: QEMU then probes what the disk *holds*, and a disk that starts like a qcow2 with
  /// a backing file shows the guest any file of the host (seen with libguestfs 1.48.6).
  fs::path make_cover(const GuestfsDrive& drive) {
    fs::path cover = options.work / fmt::format("cover-{}.qcow2", covers++);
    check(guestfs_disk_create(handle.get(), cover.c_str(), "qcow2", -1, GUESTFS_DISK_CREATE_BACKINGFILE,
                              fs::absolute(drive.path).c_str(), GUESTFS_DISK_CREATE_BACKINGFORMAT,
                              drive.format.c_str(), -1),
          fmt::format("open '{}' as {}", drive.path.native(), drive.format));
    return cover;
  }

  static void on_progress(guestfs_h*, void* opaque, std::uint64_t, int, int, const char*, std::size_t,
                          const std::uint64_t* numbers, std::size_t count) {
    if (count < 4) return;  // proc, serial, position, total
    static_cast<State*>(opaque)->status.progress(numbers[2], numbers[3], "");
  }

  void launch_without_kvm(const std::vector<GuestfsDrive>& drives) {
    prepare(drives);
    char setting[] = "force_tcg";
    char* settings[] = {setting, nullptr};
    check(guestfs_set_backend_settings(handle.get(), settings), "switch KVM off");
    if (guestfs_launch(handle.get()) == 0) return;
    try {
      fail("start the libguestfs appliance");
    } catch (Error& error) {
      Error unfit(ExitCode::host_unfit, "{}", error.what());
      unfit.set_hint("`libguestfs-test-tool` shows why; a kernel that only root may read is one cause");
      throw unfit;
    }
  }
};

Guestfs::Guestfs(const std::vector<GuestfsDrive>& drives, const GuestfsOptions& options, Status& status)
    : state_(std::make_unique<State>(options, status)) {
  check_interrupt();
  if (options.acceleration == GuestfsOptions::Acceleration::automatic && fs::exists("/dev/kvm")) {
    state_->prepare(drives);
    state_->watch.set_start_limit(kKvmStart);
    const bool started = guestfs_launch(state_->handle.get()) == 0;
    const GuestfsWatch::Reason reason = state_->watch.reason();
    if (!started && reason != GuestfsWatch::Reason::none && reason != GuestfsWatch::Reason::start_limit) {
      state_->fail("start the libguestfs appliance");
    }
    state_->watch.reset();
    if (started) return;
    status.note(
        "/dev/kvm is there but does not work; the libguestfs appliance runs without it, which is slower");
  }
  state_->options.acceleration = GuestfsOptions::Acceleration::none;
  state_->launch_without_kvm(drives);
}

Guestfs::~Guestfs() = default;

GuestfsOptions::Acceleration Guestfs::acceleration() const { return state_->options.acceleration; }

void Guestfs::close() {
  state_->check(guestfs_umount_all(state_->handle.get()), "unmount");
  state_->check(guestfs_shutdown(state_->handle.get()), "end the libguestfs appliance");
  state_->handle.reset();
}

void Guestfs::set_deadline(std::optional<std::chrono::milliseconds> limit) {
  state_->watch.set_deadline(limit);
}

ByteSize Guestfs::device_size(const std::string& device) {
  const std::int64_t size = guestfs_blockdev_getsize64(state_->handle.get(), device.c_str());
  if (size < 0) state_->fail(fmt::format("find the size of {}", device));
  return {static_cast<std::uint64_t>(size)};
}

std::string Guestfs::read_device(const std::string& device, std::uint64_t offset, std::size_t size) {
  constexpr std::size_t kPiece = 1 << 20;  // the library's messages hold 4 MiB
  std::string bytes;
  while (bytes.size() < size) {
    std::size_t got = 0;
    const std::size_t wanted = std::min(kPiece, size - bytes.size());
    const Text piece(guestfs_pread_device(state_->handle.get(), device.c_str(), static_cast<int>(wanted),
                                          static_cast<std::int64_t>(offset + bytes.size()), &got));
    state_->check(piece.get(), fmt::format("read {}", device));
    if (got == 0) break;
    bytes.append(piece.get(), got);
  }
  return bytes;
}

void Guestfs::download_range(const std::string& device, const fs::path& to, std::uint64_t offset,
                             std::uint64_t size) {
  constexpr std::uint64_t kPiece = 1 << 20;
  const io::File file = io::open_for_update(to);
  for (std::uint64_t done = 0; done < size; done += kPiece) {
    const std::string bytes = read_device(device, offset + done, std::min(kPiece, size - done));
    if (bytes.find_first_not_of('\0') != std::string::npos) io::write_all_at(file, bytes, offset + done);
  }
}

std::string Guestfs::file_system_type(const std::string& device) {
  const Text type(guestfs_vfs_type(state_->handle.get(), device.c_str()));
  return state_->check(type.get(), fmt::format("find the file system of {}", device));
}

std::map<std::string, std::string> Guestfs::ext4_parameters(const std::string& device) {
  char** list = guestfs_tune2fs_l(state_->handle.get(), device.c_str());
  const std::vector<std::string> pairs =
      TextList(state_->check(list, fmt::format("read the file system of {}", device))).copy();
  std::map<std::string, std::string> parameters;
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) parameters[pairs[i]] = pairs[i + 1];
  return parameters;
}

void Guestfs::mount(const std::string& device, const std::string& folder) {
  state_->check(guestfs_mount(state_->handle.get(), device.c_str(), folder.c_str()),
                fmt::format("mount {}", device));
}

void Guestfs::mount_read_only(const std::string& device, const std::string& folder) {
  state_->check(guestfs_mount_ro(state_->handle.get(), device.c_str(), folder.c_str()),
                fmt::format("mount {}", device));
}

void Guestfs::unmount_all() { state_->check(guestfs_umount_all(state_->handle.get()), "unmount"); }

void Guestfs::sync() { state_->check(guestfs_sync(state_->handle.get()), "write everything to the disk"); }

bool Guestfs::exists(const std::string& path) {
  const int result = guestfs_exists(state_->handle.get(), path.c_str());
  state_->check(result, fmt::format("look for {}", path));
  return result == 1;
}

bool Guestfs::is_folder(const std::string& path) {
  const int result = guestfs_is_dir(state_->handle.get(), path.c_str());
  state_->check(result, fmt::format("look at {}", path));
  return result == 1;
}

std::string Guestfs::read_file(const std::string& path) {
  constexpr std::int64_t kMost = 64 << 20;
  const std::int64_t length = guestfs_filesize(state_->handle.get(), path.c_str());
  if (length < 0) state_->fail(fmt::format("read {}", path));
  if (length > kMost) throw Error(ExitCode::step_failed, "cannot read {}: it is longer than 64 MiB", path);
  std::size_t size = 0;
  const Text content(guestfs_read_file(state_->handle.get(), path.c_str(), &size));
  return {state_->check(content.get(), fmt::format("read {}", path)), size};
}

void Guestfs::write_file(const std::string& path, std::string_view content, std::uint32_t mode) {
  state_->check(guestfs_write(state_->handle.get(), path.c_str(), content.data(), content.size()),
                fmt::format("write {}", path));
  state_->check(guestfs_chmod(state_->handle.get(), static_cast<int>(mode), path.c_str()),
                fmt::format("write {}", path));
}

std::vector<std::string> Guestfs::list(const std::string& folder) {
  std::vector<std::string> names = TextList(state_->check(guestfs_ls(state_->handle.get(), folder.c_str()),
                                                          fmt::format("list {}", folder)))
                                       .copy();
  std::sort(names.begin(), names.end());
  return names;
}

void Guestfs::make_folder(const std::string& path) {
  state_->check(guestfs_mkdir_p(state_->handle.get(), path.c_str()), fmt::format("make the folder {}", path));
}

void Guestfs::remove(const std::string& path) {
  state_->check(guestfs_rm_rf(state_->handle.get(), path.c_str()), fmt::format("remove {}", path));
}

void Guestfs::upload(const fs::path& from, const std::string& to) {
  state_->check(guestfs_upload(state_->handle.get(), from.c_str(), to.c_str()), fmt::format("write {}", to));
}

void Guestfs::download(const std::string& from, const fs::path& to) {
  state_->check(guestfs_download(state_->handle.get(), from.c_str(), to.c_str()),
                fmt::format("read {}", from));
}

void Guestfs::unpack(const fs::path& archive, const std::string& folder) {
  state_->check(guestfs_tar_in_opts(state_->handle.get(), archive.c_str(), folder.c_str(),
                                    GUESTFS_TAR_IN_OPTS_XATTRS, 1, GUESTFS_TAR_IN_OPTS_ACLS, 1, -1),
                fmt::format("unpack '{}' into {}", archive.native(), folder));
}

void Guestfs::pack(const std::string& folder, const fs::path& archive, const GuestfsTarOptions& options) {
  std::vector<char*> excluded = pointers(options.excluded);
  state_->watch.set_file_limit(archive, options.limit);
  state_->check(
      guestfs_tar_out_opts(state_->handle.get(), folder.c_str(), archive.c_str(),
                           GUESTFS_TAR_OUT_OPTS_NUMERICOWNER, 1, GUESTFS_TAR_OUT_OPTS_EXCLUDES,
                           excluded.data(), GUESTFS_TAR_OUT_OPTS_XATTRS, 1, GUESTFS_TAR_OUT_OPTS_ACLS, 1, -1),
      fmt::format("pack {}", folder));
  state_->watch.set_file_limit({}, {});
}

std::string Guestfs::run(const std::vector<std::string>& arguments) {
  std::vector<char*> argv = pointers(arguments);
  const Text out(guestfs_command(state_->handle.get(), argv.data()));
  return state_->check(out.get(), fmt::format("run '{}'", arguments.front()));
}

}  // namespace imgbuild
