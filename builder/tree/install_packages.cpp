#include <algorithm>
#include <set>
#include <sstream>

#include "tree/apt.h"
#include "tree/package_store.h"
#include "tree/packages.h"
#include "util/debian_package.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr const char* kCure = "make the lock anew: imgbuild lock --env FILE";

/// An index of the lock's files, made of themselves, is all that apt sees.
void write_index(const Apt& apt, const PackageLock& lock, const std::vector<PackageArchive>& archives) {
  std::string index;
  for (std::size_t i = 0; i < lock.size(); ++i) {
    index += index_paragraph(lock[i], read_package_control(archives[i].path), archives[i].size, archives[i].sha256);
  }
  io::write_file(apt.lists() / kLocalIndex, index, 0644);
  io::write_file(apt.cache() / "sources.list", kLocalSource, 0644);
}

std::vector<std::string> output_lines(Guest& guest, const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> lines;
  const std::string out = run_checked(guest, {.program = program, .arguments = arguments}).out;
  for_each_line(out, [&](std::string_view line) { lines.emplace_back(line); });
  return lines;
}

void require_architecture(Guest& guest, const PackageLock& lock) {
  std::vector<std::string> known = output_lines(guest, "dpkg", {"--print-architecture"});
  const std::vector<std::string> foreign = output_lines(guest, "dpkg", {"--print-foreign-architectures"});
  known.insert(known.end(), foreign.begin(), foreign.end());
  for (const LockedPackage& package : lock) {
    if (package.architecture == "all" || std::ranges::find(known, package.architecture) != known.end()) continue;
    throw Error(ExitCode::step_failed, "package '{}' of the lock is for another architecture than this tree, '{}'",
                describe(package), fmt::join(known, "', '"))
        .set_hint(kCure);
  }
}

/// With a whole archive before it apt knows every name that may be removed; here it knows those that dpkg knows.
std::vector<std::string> known_names(Guest& guest, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  const std::vector<std::string> lines = output_lines(guest, "dpkg-query", {"--show", "--showformat=${Package}\\n"});
  const std::set<std::string> known(lines.begin(), lines.end());
  std::vector<std::string> result;
  std::ranges::copy_if(names, std::back_inserter(result), [&](const std::string& name) { return known.contains(name.substr(0, name.find(':'))); });
  return result;
}

/// Nothing more and nothing less than the lock: it can't be more, for apt has no other packages.
void require_all_used(const std::vector<std::string>& simulated, const PackageLock& lock) {
  for (const LockedPackage& package : lock) {
    if (std::ranges::binary_search(simulated, describe(package))) continue;
    throw Error(ExitCode::step_failed, "package '{}' of the lock would not be installed by this step", describe(package)).set_hint(kCure);
  }
}

std::vector<std::string> simulate(Apt& apt, const std::vector<std::string>& request) {
  std::vector<std::string> arguments = {"--simulate", "--no-download"};
  arguments.insert(arguments.end(), request.begin(), request.end());
  try {
    return parse_simulated(apt.run(AptStage::simulate, arguments).out);
  } catch (Error& error) {
    throw error.set_hint(kCure);
  }
}

void install(Apt& apt, const std::vector<std::string>& request, std::size_t packages, Status& status) {
  std::uint64_t done = 0;
  const auto on_line = [&status, &done, packages](std::string_view line) {
    if (line.starts_with("Unpacking ") || line.starts_with("Setting up ")) {
      status.progress(std::min<std::uint64_t>(++done, 2 * packages), 2 * packages, line.substr(0, line.find(" (")));
    }
  };
  std::vector<std::string> arguments = {"--no-download"};
  arguments.insert(arguments.end(), request.begin(), request.end());
  (void)apt.run(AptStage::install, arguments, on_line);
}

/// What a package manager that was disturbed leaves behind is found here.
void require_complete(Guest& guest, Apt& apt) {
  const CommandResult audit = run_checked(guest, {.program = "dpkg", .arguments = {"--audit"}});
  if (!audit.out.empty()) throw Error(ExitCode::step_failed, "packages are not completely installed:\n{}", audit.out);
  (void)apt.run(AptStage::check, {"check"});
}

}  // namespace

void install_packages(Guest& guest, const PackagesStep& step, const PackageLock& lock, const StepContext& context, Status& status) {
  require_architecture(guest, lock);
  const io::TemporaryDirectory folder(context.work, "apt");
  Apt apt(guest, folder.path(), apt_configuration("") + local_source_configuration());
  status.progress(0, 0, "opening packages");
  write_index(apt, lock, PackageStore(context.package_cache).provide(lock, apt.archives()));
  const std::vector<std::string> request = apt_request(step.install, known_names(guest, step.remove), step.upgrade);
  require_all_used(simulate(apt, request), lock);
  hold_down(guest, context.stand_ins);
  install(apt, request, lock.size(), status);
  require_complete(guest, apt);
  release(guest, context.stand_ins);
}

void apply(Guest& guest, const PackagesStep& step, const StepContext& context, Status& status) {
  const PackageLock lock = context.lock != nullptr ? *context.lock : resolve_packages(guest, step, context, status);
  if (context.network == GuestCommand::Network::yes) fetch_packages(lock, context, status);
  install_packages(guest, step, lock, context, status);
  if (context.installed != nullptr) *context.installed = lock;
}

}  // namespace imgbuild
