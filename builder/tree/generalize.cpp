#include "tree/generalize.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <sstream>
#include <string>

#include "tree/pin_times.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/root_folder.h"

namespace imgbuild {
namespace {

constexpr std::int64_t kSecondsPerDay = 86400;

void remove_files_below(const RootFolder& root, const std::string& folder) {
  // A link in place of the folder would have us list something else.
  const std::optional<struct stat> status = root.status(folder);
  if (!status || !S_ISDIR(status->st_mode)) return;
  for (const std::string& hidden : {std::string("/*"), std::string("/.*")}) {
    for (const std::string& path : root.glob(folder + hidden)) {
      if (path.ends_with("/.") || path.ends_with("/..")) continue;
      if (S_ISDIR(root.status(path)->st_mode)) {
        remove_files_below(root, path);
      } else {
        root.remove(path);
      }
    }
  }
}

/// New content under the same owner and mode.
void rewrite(const RootFolder& root, const std::string& path, std::string_view content) {
  const struct stat before = root.status(path).value();
  const io::File file = root.create_file(path, 0600);
  io::write_all(file, content);
  if (const int fault = io::fault_point()) throw system_error(fault, fmt::format("cannot rewrite '{}'", path));
  if (::fchown(file.fd(), before.st_uid, before.st_gid) != 0 || ::fchmod(file.fd(), before.st_mode & 07777) != 0) {
    throw system_error(errno, fmt::format("cannot set owner and mode of '{}'", path));
  }
}

void remove_dangling_links(const RootFolder& root, const std::string& folder) {
  for (const std::string& path : root.glob(folder + "/*")) {
    if (!S_ISLNK(root.status(path)->st_mode)) continue;
    const std::string target = root.read_link(path);
    if (!root.exists(target.starts_with('/') ? target : folder + "/" + target)) root.remove(path);
  }
}

void treat(const RootFolder& root, const GeneralizeRow& row, const std::string& path) {
  const mode_t mode = root.status(path)->st_mode;
  switch (row.treatment) {
    case Treatment::remove: return root.remove(path);
    case Treatment::remove_file: return S_ISLNK(mode) ? void() : root.remove(path);
    case Treatment::remove_files: return remove_files_below(root, path);
    case Treatment::empty_folder: return S_ISDIR(mode) ? root.empty_folder(path) : void();
    case Treatment::write: return S_ISREG(mode) ? rewrite(root, path, row.content) : void();
    case Treatment::link: return root.make_link(path, row.content);
    case Treatment::dangling: return remove_dangling_links(root, path);
  }
}

/// "name:hash:LAST_CHANGE:…" with LAST_CHANGE, in days since 1970, no later than 'limit'.
std::string pin_last_change(const std::string& line, std::int64_t limit) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
  const std::size_t third = second == std::string::npos ? second : line.find(':', second + 1);
  if (third == std::string::npos) return line;
  std::int64_t day = 0;
  const auto [end, error] = std::from_chars(line.data() + second + 1, line.data() + third, day);
  if (error != std::errc() || end != line.data() + third || day <= limit) return line;
  return line.substr(0, second + 1) + std::to_string(limit) + line.substr(third);
}

void pin_shadow(const RootFolder& root, std::int64_t epoch) {
  if (!root.exists("/etc/shadow")) return;
  const std::string before = root.read_file("/etc/shadow");
  std::string after;
  std::istringstream lines(before);
  for (std::string line; std::getline(lines, line);) after += pin_last_change(line, epoch / kSecondsPerDay) + "\n";
  if (after != before) rewrite(root, "/etc/shadow", after);
}

/// ucf asks through debconf, which keeps the random name of a temporary file it asked about.
void drop_debconf_temporaries(const RootFolder& root) {
  const std::string path = "/var/cache/debconf/config.dat";
  if (!root.exists(path)) return;
  const std::string before = root.read_file(path);
  std::string after;
  std::istringstream lines(before);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(" NEW = /tmp/")) after += line + "\n";
  }
  if (after != before) rewrite(root, path, after);
}

/// Sockets and FIFOs belong to programs that run.
void remove_sockets(const RootFolder& root) {
  for (const TreeEntry& entry : list_tree(root)) {
    if (S_ISSOCK(entry.status.st_mode) || S_ISFIFO(entry.status.st_mode)) root.remove(entry.path);
  }
}

}  // namespace

void generalize(const std::filesystem::path& tree, std::int64_t source_date_epoch, Status& status) {
  const RootFolder root(tree);
  status.begin("generalizing");
  for (const GeneralizeRow& row : generalize_rows()) {
    check_interrupt();
    for (const std::string& path : root.glob(row.pattern)) treat(root, row, path);
  }
  remove_sockets(root);
  drop_debconf_temporaries(root);
  pin_shadow(root, source_date_epoch);
  pin_times(root, source_date_epoch);
  status.end("");
}

}  // namespace imgbuild
