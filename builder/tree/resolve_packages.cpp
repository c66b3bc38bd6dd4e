#include "tree/apt.h"
#include "tree/package_store.h"
#include "tree/packages.h"
#include "util/digest.h"

namespace imgbuild {
namespace {

/// Where lists come from, in the words of the tree: its sources, and the architectures they are for.
std::string sources_of(Guest& guest) {
  std::string text;
  for (const char* pattern : {"/etc/apt/sources.list", "/etc/apt/sources.list.d/*", "/var/lib/dpkg/arch"}) {
    for (const std::string& path : guest.list(pattern)) text += fmt::format("{}\n{}\n", path, guest.read_file(path));
  }
  return text;
}

/// A source inside the tree, which any step may change.
bool has_local(const std::string& sources) { return sources.find("file:") != std::string::npos || sources.find("copy:") != std::string::npos; }

void update_lists(Apt& apt, const PackageStore& store, const std::string& key, Status& status) {
  io::remove_tree(apt.lists());  // of a source inside the tree, as an earlier step left it
  io::make_directories(apt.lists() / "partial", 0755);
  store.fetch_lists(key, apt.lists());
  status.progress(0, 0, "updating package lists");
  (void)apt.run(AptStage::update, {"update"});
  store.store_lists(key, apt.lists());
}

}  // namespace

PackageLock resolve_packages(Guest& guest, const PackagesStep& step, const StepContext& context, Status& status) {
  const std::string sources = sources_of(guest);
  const std::string key = sha256(context.proxy + "\n" + sources);
  const std::filesystem::path folder = context.work / ("packages-" + key.substr(0, 16));
  const bool is_updated = std::filesystem::exists(folder / "updated") && !has_local(sources);
  Apt apt(guest, folder, apt_configuration(context.proxy));
  if (!is_updated) {
    update_lists(apt, PackageStore(context.package_cache), key, status);
    io::write_file(folder / "updated", "", 0644);
  }
  status.progress(0, 0, "choosing packages");
  std::vector<std::string> arguments = {"--print-uris"};
  const std::vector<std::string> request = apt_request(step.install, step.remove, step.upgrade);
  arguments.insert(arguments.end(), request.begin(), request.end());
  return parse_package_files(apt.run(AptStage::select, arguments).out);
}

void fetch_packages(const PackageLock& lock, const StepContext& context, Status& status) {
  status.progress(0, 0, "fetching packages");
  PackageStore(context.package_cache).download(lock, context.proxy, status);
}

PackageLock missing_packages(const PackageLock& lock, const StepContext& context) {
  return PackageStore(context.package_cache).missing(lock);
}

}  // namespace imgbuild
