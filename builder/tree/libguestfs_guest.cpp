#include "tree/libguestfs_guest.h"

#include <fnmatch.h>

#include <algorithm>

#include "tree/folder_guest.h"
#include "util/digest.h"
#include "util/io.h"
#include "util/root_folder.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// Ours in the tree while we work; gone with finish().
const std::string kFolder = "/.imgbuild-guest";
constexpr std::size_t kSmall = 1 << 20;  ///< up to here a file goes in one message of the protocol

std::string shell_word(std::string_view text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

fs::path make_disk(const LibguestfsGuestOptions& options) {
  const fs::path disk = options.work / "guest.raw";
  io::set_length(io::create_exclusive(disk, 0600), options.disk);
  SystemCommandRunner runner;
  (void)run_checked(runner, {.program = "mke2fs",
                             .arguments = {"-q", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-d",
                                           options.tree.native(), disk.native()}});
  return disk;
}

class LibguestfsGuest : public Guest {
 public:
  LibguestfsGuest(const LibguestfsGuestOptions& options, Status& status)
      : options_(options),
        work_(options.work, "guestfs"),
        disk_(make_disk(with_work(options, work_.path()))),
        guestfs_({{.path = disk_, .format = "raw", .access = GuestfsDrive::Access::read_write}},
                 {.work = work_.path(), .acceleration = options.acceleration, .network = GuestfsOptions::Network::on},
                 status) {
    guestfs_.mount("/dev/sda", "/");
    guestfs_.make_folder(kFolder);
  }

  CommandResult run(const GuestCommand& command) override;

  void write_file(const std::string& path, std::string_view bytes, mode_t mode) override {
    if (!guestfs_.is_folder(path)) guestfs_.remove(path);  // a link there is replaced, not followed
    guestfs_.write_file(path, bytes, mode);
  }
  std::string read_file(const std::string& path) override { return guestfs_.read_file(path); }
  bool exists(const std::string& path) override {
    const auto [folder, name] = split_path(path);
    if (name.empty()) return true;
    if (!guestfs_.is_folder(folder.empty() ? "/" : std::string(folder))) return false;
    const std::vector<std::string> names = guestfs_.list(folder.empty() ? "/" : std::string(folder));
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  void remove(const std::string& path) override { guestfs_.remove(path); }
  void make_folder(const std::string& path) override { guestfs_.make_folder(path); }

  std::string copy_file_in(const fs::path& file, const std::string& path, mode_t mode) override {
    if (fs::file_size(file) <= kSmall) {
      const std::string content = io::read_file(file);
      write_file(path, content, mode);
      return sha256(content);
    }
    guestfs_.remove(path);
    guestfs_.upload(file, path);
    (void)guestfs_.run({"/bin/chmod", fmt::format("{:04o}", mode), path});
    return sha256_file(file);
  }

  void copy_folder_in(const fs::path& folder, const std::string& path) override {
    guestfs_.make_folder(path);
    for (const FolderItem& item : folder_items(folder)) copy_item(folder, item, (path == "/" ? "" : path) + "/" + item.path);
  }

  std::vector<std::string> list(const std::string& pattern) override;
  void finish() override;

 private:
  static LibguestfsGuestOptions with_work(LibguestfsGuestOptions options, const fs::path& work) {
    options.work = work;
    return options;
  }

  void copy_item(const fs::path& folder, const FolderItem& item, const std::string& target) {
    if (item.kind == FolderItem::Kind::folder) return guestfs_.make_folder(target);
    const std::string parent(split_path(target).first);
    if (exists(target) && guestfs_.is_folder(target)) {
      throw Error(ExitCode::bad_input, "{}: can't replace '{}', which is a folder in the tree",
                  (folder / item.path).native(), target);
    }
    if (item.kind != FolderItem::Kind::link) {
      (void)copy_file_in(folder / item.path, target, item.kind == FolderItem::Kind::program ? 0755 : 0644);
      return;
    }
    guestfs_.remove(target);
    (void)guestfs_.run({"/bin/ln", "-s", "--", fs::read_symlink(folder / item.path).native(), target});
  }

  [[nodiscard]] std::string script(const GuestCommand& command) const;
  void give(const std::vector<SharedFolder>& shared);
  void take(const std::vector<SharedFolder>& shared);
  [[nodiscard]] static std::string inside(std::size_t index) { return fmt::format("{}/shared-{}", kFolder, index); }

  LibguestfsGuestOptions options_;
  io::TemporaryDirectory work_;
  fs::path disk_;
  Guestfs guestfs_;
};

/// The outer script makes namespaces, the inner one fills them and starts the program with nothing of the appliance's.
std::string LibguestfsGuest::script(const GuestCommand& command) const {
  std::string inner = "set -e\nmount -n -t tmpfs -o mode=755 tmpfs /run\nmount -n -t tmpfs -o mode=1777 tmpfs /tmp\n"
                      "mkdir -m 1777 /run/lock\nhostname localhost\n";
  for (std::size_t i = 0; i < command.shared.size(); ++i) {
    inner += fmt::format("mkdir -p {0}\nmount --bind {1} {0}\n", shell_word(command.shared[i].path), inside(i));
  }
  for (const std::string& path : options_.device_files) {
    inner += fmt::format("mkdir -p {}\n: > {}\n", shell_word(split_path(path).first), shell_word(path));
  }
  inner += "exec env -i";
  for (const std::string_view entry : kGuestEnvironment) inner += " " + shell_word(entry);
  inner += fmt::format(" SOURCE_DATE_EPOCH={}", options_.source_date_epoch);
  for (const std::string& entry : command.environment) inner += " " + shell_word(entry);
  if (command.timeout) inner += fmt::format(" timeout -k 3 {:.3f}", static_cast<double>(command.timeout->count()) / 1000);
  inner += " " + shell_word(command.program);
  for (const std::string& argument : command.arguments) inner += " " + shell_word(argument);
  const char* network = command.network == GuestCommand::Network::no ? "--net " : "";
  return fmt::format("cd /\numask 022\nstatus=0\nunshare --mount --pid --ipc --uts {}--fork --mount-proc sh -c {} "
                     "< {}/in > {}/out 2> {}/err || status=$?\necho $status\n",
                     network, shell_word(inner), kFolder, kFolder, kFolder);
}

CommandResult LibguestfsGuest::run(const GuestCommand& command) {
  guestfs_.write_file(kFolder + "/in", command.input, 0600);
  guestfs_.write_file(kFolder + "/run", script(command), 0700);
  give(command.shared);
  const auto start = std::chrono::steady_clock::now();
  CommandResult result;
  result.exit_status = std::stoi(guestfs_.run({"/bin/sh", kFolder + "/run"}));
  if (command.timeout && result.exit_status >= 124 && std::chrono::steady_clock::now() - start >= *command.timeout) {
    result.timed_out = CommandResult::TimedOut::yes;
  }
  if (result.exit_status == 127) throw Error(ExitCode::step_failed, "cannot start '{}' in the tree", command.program);
  if (result.exit_status > 128 && result.exit_status < 128 + 65) {  // as a shell tells of signals
    result.signal = result.exit_status - 128;
    result.exit_status = -1;
  }
  result.out = guestfs_.read_file(kFolder + "/out");
  result.err = guestfs_.read_file(kFolder + "/err");
  take(command.shared);
  if (command.on_line) for_each_line(result.out + result.err, command.on_line);
  return result;
}

void LibguestfsGuest::give(const std::vector<SharedFolder>& shared) {
  for (std::size_t i = 0; i < shared.size(); ++i) {
    const fs::path tar = work_.path() / "shared.tar";
    (void)archive_tree(shared[i].host, tar);
    guestfs_.remove(inside(i));
    guestfs_.make_folder(inside(i));
    guestfs_.unpack(tar, inside(i));
    io::remove_file(tar);
  }
}

void LibguestfsGuest::take(const std::vector<SharedFolder>& shared) {
  for (std::size_t i = 0; i < shared.size(); ++i) {
    const fs::path tar = work_.path() / "shared.tar";
    guestfs_.pack(inside(i), tar, {});
    io::remove_tree(shared[i].host);
    (void)extract_tree(tar, shared[i].host);
    io::remove_file(tar);
    guestfs_.remove(inside(i));
  }
}

std::vector<std::string> LibguestfsGuest::list(const std::string& pattern) {
  std::vector<std::string> found = {""};
  for (const fs::path& part : fs::path(pattern).relative_path()) {
    std::vector<std::string> next;
    for (const std::string& folder : found) {
      if (!guestfs_.is_folder(folder.empty() ? "/" : folder)) continue;
      for (const std::string& name : guestfs_.list(folder.empty() ? "/" : folder)) {
        if (::fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0) next.push_back(folder + "/" + name);
      }
    }
    found = std::move(next);
  }
  std::sort(found.begin(), found.end());
  return found;
}

void LibguestfsGuest::finish() {
  guestfs_.remove(kFolder);
  const fs::path tar = work_.path() / "tree.tar";
  guestfs_.pack("/", tar, {.excluded = {"./lost+found"}});
  guestfs_.close();
  io::remove_file(disk_);
  io::remove_tree(options_.tree);
  (void)extract_tree(tar, options_.tree);
}

}  // namespace

std::unique_ptr<Guest> make_libguestfs_guest(const LibguestfsGuestOptions& options, Status& status) {
  return std::make_unique<LibguestfsGuest>(options, status);
}

}  // namespace imgbuild
