#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

/// A disk given to the appliance. Its format is always said, never guessed: a raw disk whose content looks
/// like qcow2 with a backing file must not make QEMU open that file (CVE-2010-3851).
struct GuestfsDrive {
  std::filesystem::path path;
  std::string format;  ///< as QEMU names it: "raw", "qcow2", …
  enum class Access { read_only, read_write } access = Access::read_only;
};

struct GuestfsOptions {
  std::filesystem::path work;  ///< existing folder; temporaries of the library go there
  enum class Acceleration { automatic, none } acceleration = Acceleration::automatic;
  enum class Network { off, on } network = Network::off;
  ByteSize memory = 1280_MiB;
};

/// Whose files an owner number means and whether attributes are kept is the same for all: numeric, with
/// xattrs and ACLs.
struct GuestfsTarOptions {
  std::vector<std::string> excluded =
      {};                   ///< names or patterns relative to the folder, as GNU tar's --exclude
  ByteSize limit = 64_GiB;  ///< of the archive; more is an error
};

/// The libguestfs appliance: a small virtual machine that reads and changes disks we do not trust, so that
/// our kernel never does. The only place that knows libguestfs. It runs from construction to destruction.
///
/// All methods throw Error (step failed) with libguestfs's own message, and Interrupted when a signal came.
/// Devices are named as libguestfs does ("/dev/sda", "/dev/sda1"), in the order of the drives.
class Guestfs {
 public:
  /// Starts it: about 3 s with KVM, 10 to 20 s without. When it does not start and acceleration is automatic,
  /// tries once more without KVM and says so through 'status'. Throws Error (host unfit) if it can't be
  /// started.
  Guestfs(const std::vector<GuestfsDrive>& drives, const GuestfsOptions& options, Status& status);
  ~Guestfs();
  Guestfs(const Guestfs&) = delete;
  Guestfs& operator=(const Guestfs&) = delete;

  /// How it runs: what to give the next one to spare it the failed try.
  [[nodiscard]] GuestfsOptions::Acceleration acceleration() const;

  /// Ends the appliance and makes sure all is written. Without it the destructor throws writes away.
  void close();

  /// From now on everything that is not done at 'limit' from now fails with "took longer than …"; none: no
  /// limit.
  void set_deadline(std::optional<std::chrono::milliseconds> limit);

  // Devices
  [[nodiscard]] ByteSize device_size(const std::string& device);
  [[nodiscard]] std::string read_device(const std::string& device, std::uint64_t offset, std::size_t size);
  /// Copies 'size' bytes at 'offset' to the same offset of an existing file.
  void download_range(const std::string& device, const std::filesystem::path& to, std::uint64_t offset,
                      std::uint64_t size);
  /// "ext4", "vfat", "LVM2_member", "crypto_LUKS", …; empty if unknown.
  [[nodiscard]] std::string file_system_type(const std::string& device);
  /// What `tune2fs -l` says, by name: "Filesystem UUID", "Filesystem features", "Inode size", …
  [[nodiscard]] std::map<std::string, std::string> ext4_parameters(const std::string& device);

  // Mounted tree; paths are absolute in it, links are followed inside it only
  void mount(const std::string& device, const std::string& folder);
  /// As mount, but nothing can be written. A journal is replayed; on a read-only drive that never reaches the
  /// disk.
  void mount_read_only(const std::string& device, const std::string& folder);
  void unmount_all();
  void sync();

  [[nodiscard]] bool exists(const std::string& path);
  [[nodiscard]] bool is_folder(const std::string& path);
  /// Whole content, at most 64 MiB.
  [[nodiscard]] std::string read_file(const std::string& path);
  void write_file(const std::string& path, std::string_view content, std::uint32_t mode);
  [[nodiscard]] std::vector<std::string> list(const std::string& folder);
  void make_folder(const std::string& path);  ///< and its parents
  void remove(const std::string& path);       ///< with all below; absent is fine
  void upload(const std::filesystem::path& from, const std::string& to);
  void download(const std::string& from, const std::filesystem::path& to);
  /// Unpacks a tar archive below 'folder'.
  void unpack(const std::filesystem::path& archive, const std::string& folder);
  /// Packs what is below 'folder', on this file system and those mounted in it, into a tar archive.
  void pack(const std::string& folder, const std::filesystem::path& archive,
            const GuestfsTarOptions& options);

  /// Runs a program of the mounted tree in it (chroot with /dev, /proc and /sys). Returns its stdout; a
  /// failure carries its stderr.
  std::string run(const std::vector<std::string>& arguments);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace imgbuild
