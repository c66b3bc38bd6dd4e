#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "util/command.h"

namespace imgbuild {

/// A folder of the build host that a command sees in the tree. Its content never becomes part of the tree.
struct SharedFolder {
  std::filesystem::path host;  ///< absolute; exists
  std::string path;            ///< folder in the tree; made if absent
  bool operator==(const SharedFolder&) const = default;
};

/// A program to run inside a tree. Its environment is kGuestEnvironment, SOURCE_DATE_EPOCH and what is given here;
/// nothing of ours. /tmp and /run are empty and gone afterwards, and so is every process it leaves behind.
struct GuestCommand {
  std::string program;                         ///< name looked up in the tree's PATH, or a path in the tree
  std::vector<std::string> arguments = {};     ///< without the program's name
  std::vector<std::string> environment = {};   ///< "NAME=value"
  std::string input = {};                      ///< given on standard input
  std::optional<std::chrono::milliseconds> timeout = {};
  std::function<void(std::string_view)> on_line = {};  ///< each line of stdout and stderr, without newline
  enum class Network { no, yes } network = Network::no;  ///< yes: the host's network and name servers
  std::vector<SharedFolder> shared = {};
};

/// What every command inside a tree finds, whatever ours is.
inline constexpr std::string_view kGuestEnvironment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "USER=root",
    "LOGNAME=root",
    "SHELL=/bin/sh",
    "TERM=dumb",
    "LANG=C.UTF-8",
    "LC_ALL=C.UTF-8",
    "TZ=UTC",
    "DEBIAN_FRONTEND=noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN=true",
    "SYSTEMD_OFFLINE=1",
    "PYTHONHASHSEED=0",  // the order of sets goes into .pyc files
    "PERL_HASH_SEED=0",
};

/// A tree that is being worked on. Paths are absolute paths of the tree; links in it lead nowhere but into it. All
/// methods throw Error, and Interrupted. Backends: native_guest.h, libguestfs_guest.h, fake_guest.h.
class Guest {
 public:
  virtual ~Guest() = default;

  /// Runs to the end. Throws Error only if the program can't be started.
  virtual CommandResult run(const GuestCommand& command) = 0;

  /// Replaces the file with one owned by root. Its folder must exist.
  virtual void write_file(const std::string& path, std::string_view bytes, mode_t mode) = 0;
  [[nodiscard]] virtual std::string read_file(const std::string& path) = 0;
  /// A link that leads nowhere exists too.
  [[nodiscard]] virtual bool exists(const std::string& path) = 0;
  /// Removes what is there with all below it. Absent is fine.
  virtual void remove(const std::string& path) = 0;
  /// Makes a folder (0755) and those on the way.
  virtual void make_folder(const std::string& path) = 0;
  /// Copies a file of the host to 'path', owned by root with 'mode'. Returns its SHA-256, made of the bytes copied.
  virtual std::string copy_file_in(const std::filesystem::path& file, const std::string& path, mode_t mode) = 0;
  /// Copies what a folder of the host holds into the folder 'path': all owned by root, folders 0755, files 0755 if
  /// their owner may execute them, else 0644, links as they are. Existing files are replaced, existing folders (and links
  /// to folders) are filled. Throws Error (bad input) on anything else in it, and where a file would replace a folder.
  virtual void copy_folder_in(const std::filesystem::path& folder, const std::string& path) = 0;
  /// Paths matching a pattern ('*', '?', '[…]' in components), sorted by bytes.
  [[nodiscard]] virtual std::vector<std::string> list(const std::string& pattern) = 0;

  /// Ends the work: afterwards the tree's folder on the host holds the result, and the guest can't be used any more.
  virtual void finish() = 0;
};

/// Runs and throws an Error with the last 20 lines of output unless it succeeded.
CommandResult run_checked(Guest& guest, const GuestCommand& command);

/// The error of a command that did not succeed; 'lines' is the end of its output.
[[nodiscard]] Error guest_command_error(const GuestCommand& command, const CommandResult& result);

/// Calls 'sink' with each line of 'text', without newline.
void for_each_line(std::string_view text, const std::function<void(std::string_view)>& sink);

/// An installed distribution package.
struct InstalledPackage {
  std::string name;
  std::string version;
  std::string architecture;
  auto operator<=>(const InstalledPackage&) const = default;
};

/// What dpkg says is installed, sorted.
[[nodiscard]] std::vector<InstalledPackage> installed_packages(Guest& guest);

}  // namespace imgbuild
