#include "tree/apt.h"
#include "tree/package_store.h"
#include "tree/packages.h"
#include "util/digest.h"

namespace imgbuild {
namespace {

/// Lists are good for the sources they came from.
std::string sources_key(Guest& guest, const std::string& proxy) {
  Sha256 digest;
  digest.update_field(proxy);
  for (const char* pattern : {"/etc/apt/sources.list", "/etc/apt/sources.list.d/*"}) {
    for (const std::string& path : guest.list(pattern)) {
      digest.update_field(path);
      digest.update_field(guest.read_file(path));
    }
  }
  return digest.hex();
}

}  // namespace

PackageLock resolve_packages(Guest& guest, const PackagesStep& step, const StepContext& context, Status& status) {
  const PackageStore store(context.package_cache);
  const std::string key = sources_key(guest, context.proxy);
  Apt apt(guest, context.work, apt_configuration(context.proxy));
  store.fetch_lists(key, apt.lists());
  status.progress(0, 0, "updating package lists");
  (void)apt.run(AptStage::update, {"update"});
  store.store_lists(key, apt.lists());
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
