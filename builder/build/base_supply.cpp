#include "build/base_supply.h"

#include "base/bootstrap.h"
#include "base/import.h"
#include "base/source.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/kvm.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

Base import_file(const fs::path& disk, const std::string& name, const Cache& cache, CommandRunner& runner, Status& status) {
  return import_disk({.disk = disk, .name = name, .bases = cache.bases(), .work = cache.work(),
                      .acceleration = guestfs_acceleration(cache, runner, status)},
                     runner, status);
}

/// A local disk is the same base only as long as it is the same file.
std::optional<Base> find_local(const fs::path& disk, const Cache& cache) {
  std::optional<Base> base = load_base(cache.bases(), disk.native());
  if (base && base->origin["sha256"] == sha256_file(disk)) return base;
  return std::nullopt;
}

Base make_base(const std::string& name, const Cache& cache, const BaseOptions& options, CommandRunner& runner, Status& status) {
  if (name == "bootstrap") {
    return bootstrap({.bases = cache.bases(), .work = cache.work(), .mirror = options.mirror,
                      .acceleration = guestfs_acceleration(cache, runner, status)},
                     runner, status);
  }
  if (const BaseSource* source = find_source(name)) {
    FetchOptions fetching = options.fetch;
    apply_environment(fetching);
    fetching.cache = cache.root;
    const VerifiedDisk disk = fetch(*source, fetching, runner, status);
    return import_file(disk.path, name, cache, runner, status);
  }
  return import_file(name, name, cache, runner, status);
}

}  // namespace

GuestfsOptions::Acceleration guestfs_acceleration(const Cache& cache, CommandRunner& runner, Status& status) {
  const KvmVerdict verdict = probe_kvm({.cache = cache.root}, runner, status);
  return verdict.works == KvmVerdict::Works::yes ? GuestfsOptions::Acceleration::automatic : GuestfsOptions::Acceleration::none;
}

Base provide_base(const std::string& name, const Cache& cache, const BaseOptions& options, CommandRunner& runner, Status& status) {
  const bool is_local_disk = name.find('/') != std::string::npos;
  const io::FileLock lock(cache.bases() / ".lock", [&] { status.note("another imgbuild makes a base; waiting"); });
  if (options.refresh == BaseOptions::Refresh::no) {
    std::optional<Base> base = is_local_disk ? find_local(name, cache) : load_base(cache.bases(), name, BaseCheck::record);
    if (base) return *base;
  }
  try {
    return make_base(name, cache, options, runner, status);
  } catch (Error& error) {
    throw error.add_context(fmt::format("making base '{}'", name));
  }
}

}  // namespace imgbuild
