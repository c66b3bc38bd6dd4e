#include "tree/package_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "util/digest.h"
#include "util/interrupt.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct stat status_of(const fs::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) throw system_error(errno, fmt::format("cannot look at '{}'", path.native()));
  return status;
}

/// Copies content and time; apt compares times.
void copy_content(const fs::path& from, const io::File& target) {
  const io::File source = io::open_for_reading(from);
  std::string buffer(1 << 20, '\0');
  while (const std::size_t size = io::read(source, buffer.data(), buffer.size())) {
    io::write_all(target, {buffer.data(), size});
  }
  const timespec time = status_of(from).st_mtim;
  const timespec times[2] = {time, time};
  if (::futimens(target.fd(), times) != 0) {
    throw system_error(errno, fmt::format("cannot set the time of '{}'", target.path().native()));
  }
}

void keep_file(const fs::path& from, const fs::path& to) {
  io::AtomicFile target(to, 0644);
  copy_content(from, target.file());
  target.commit();
}

bool is_unchanged(const fs::path& from, const fs::path& to) {
  if (!fs::exists(to)) return false;
  const struct stat before = status_of(to);
  const struct stat now = status_of(from);
  return before.st_size == now.st_size && before.st_mtim.tv_sec == now.st_mtim.tv_sec;
}

/// A second name for the file, or a copy where that is on another disk.
void link_or_copy(const fs::path& from, const fs::path& to) {
  if (const int fault = io::fault_point()) throw system_error(fault, fmt::format("cannot link '{}'", to.native()));
  if (::link(from.c_str(), to.c_str()) == 0 || errno == EEXIST) return;
  keep_file(from, to);
}

/// Names of the lists in a folder; apt's lock and folders aside.
std::vector<std::string> list_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().native();
    if (entry.is_regular_file() && name != "lock" && !name.starts_with('.')) names.push_back(name);
  }
  return names;
}

}  // namespace

PackageStore::PackageStore(fs::path folder) : folder_(std::move(folder)) {
  io::make_directories(folder_ / "packages", 0755);
  io::make_directories(folder_ / "lists", 0755);
}

std::vector<PackageFile> PackageStore::fetch(const std::vector<PackageFile>& files, const fs::path& archives) const {
  std::vector<PackageFile> missing;
  for (const PackageFile& file : files) {
    const fs::path kept = folder_ / "packages" / (file.sha256 + ".deb");
    if (fs::exists(kept) && sha256_file(kept) == file.sha256) {
      link_or_copy(kept, archives / file.name);
      continue;
    }
    std::error_code ignored;  // absent is as good
    fs::remove(kept, ignored);
    missing.push_back(file);
  }
  return missing;
}

void PackageStore::store(const std::vector<PackageFile>& files, const fs::path& archives) const {
  for (const PackageFile& file : files) {
    const std::string digest = sha256_file(archives / file.name);
    if (digest != file.sha256) {
      throw Error(ExitCode::verification_failed, "package file '{}': has SHA-256 {}, expected {}", file.name, digest,
                  file.sha256);
    }
    link_or_copy(archives / file.name, folder_ / "packages" / (file.sha256 + ".deb"));
  }
}

void PackageStore::fetch_lists(const std::string& key, const fs::path& lists) const {
  const fs::path kept = folder_ / "lists" / key;
  if (!fs::exists(kept)) return;
  const io::FileLock lock(folder_ / "lists" / (key + ".lock"), [] {});
  for (const std::string& name : list_names(kept)) {
    check_interrupt();
    copy_content(kept / name, io::create_exclusive(lists / name, 0644));
  }
}

void PackageStore::store_lists(const std::string& key, const fs::path& lists) const {
  const fs::path kept = folder_ / "lists" / key;
  const io::FileLock lock(folder_ / "lists" / (key + ".lock"), [] {});
  io::make_directories(kept, 0755);
  for (const std::string& name : list_names(lists)) {
    check_interrupt();
    if (!is_unchanged(lists / name, kept / name)) keep_file(lists / name, kept / name);
  }
}

}  // namespace imgbuild
