#include "tree/package_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tree/package_download.h"
#include "util/debian_package.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/io.h"
#include "util/parallel.h"
#include "util/size.h"

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

bool PackageStore::has(const LockedPackage& package) const {
  const fs::path path = path_of(package);
  if (!fs::is_regular_file(fs::symlink_status(path))) return false;
  return fs::file_size(path) == package.size && sha256_file(path) == package.sha256;
}

PackageLock PackageStore::missing(const PackageLock& lock) const {
  PackageLock missing;
  for (const LockedPackage& package : lock) {
    if (!has(package)) missing.push_back(package);
  }
  return missing;
}

void PackageStore::download(const PackageLock& lock, const std::string& proxy, Status& status) const {
  if (missing(lock).empty()) return;
  io::make_directories(packages(), 0755);
  const io::FileLock alone(packages() / ".lock", [&] { status.note("another imgbuild downloads packages; waiting"); });
  (void)io::sweep_temporaries(packages());
  const PackageLock wanted = missing(lock);  // the other one may have brought some
  std::uint64_t total = 0;
  for (const LockedPackage& package : wanted) total += package.size;
  const io::TemporaryDirectory work(packages(), "download");
  download_packages(wanted, work.path(), proxy, [&](std::uint64_t done) {
    status.progress(done, total, fmt::format("{} of {}", format_byte_size({done}), format_byte_size({total})));
  });
  for (const LockedPackage& package : wanted) io::rename(work.path() / path_of(package).filename(), path_of(package));
}

PackageArchive PackageStore::open(const LockedPackage& package, const std::map<std::string, fs::path>& known, const fs::path& work) const {
  if (const auto found = known.find(package.sha256); found != known.end()) {
    const std::string digest = found->second.stem().native().substr(package.sha256.size() + 1);
    if (sha256_file(found->second) == digest) {
      std::error_code absent;  // is as good: what was not opened is needed only for bundles
      fs::create_hard_link(path_of(package), work / package.sha256, absent);  // its change time says when it was last used
      return {found->second, fs::file_size(found->second), digest};
    }
  }
  if (!has(package)) {
    throw Error(ExitCode::verification_failed, "package file '{}': is not in the cache, or damaged there", package.file)
        .set_hint("build once with a network and without --locked, or import a bundle that has it");
  }
  const fs::path made = work / package.file;
  open_package(path_of(package), made);
  const std::string digest = sha256_file(made);
  const fs::path target = opened() / fmt::format("{}-{}.deb", package.sha256, digest);
  io::rename(made, target);
  return {target, fs::file_size(target), digest};
}

std::vector<PackageArchive> PackageStore::provide(const PackageLock& lock, const fs::path& archives) const {
  io::make_directories(opened(), 0755);
  (void)io::sweep_temporaries(opened());
  std::map<std::string, fs::path> known;
  for (const auto& entry : fs::directory_iterator(opened())) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file()) known[name.substr(0, name.find('-'))] = entry.path();
  }
  const io::TemporaryDirectory work(opened(), "open");
  std::vector<PackageArchive> provided(lock.size());
  in_parallel(lock.size(), [&](std::size_t i) { provided[i] = open(lock[i], known, work.path()); });
  for (std::size_t i = 0; i < lock.size(); ++i) {
    io::link_or_copy(provided[i].path, archives / lock[i].file);
    provided[i].path = archives / lock[i].file;
  }
  return provided;
}

void PackageStore::keep(const std::string& sha256, const fs::path& file) const {
  io::make_directories(packages(), 0755);
  io::rename(file, packages() / (sha256 + ".deb"));
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
  io::make_directories(kept, 0755);
  const io::FileLock lock(folder_ / "lists" / (key + ".lock"), [] {});
  for (const std::string& name : list_names(lists)) {
    check_interrupt();
    if (!is_unchanged(lists / name, kept / name)) keep_file(lists / name, kept / name);
  }
}

}  // namespace imgbuild
