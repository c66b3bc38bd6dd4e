#include "build/make_lock.h"

#include <algorithm>
#include <map>
#include <set>

#include "build/image_tree.h"
#include "build/locked_plan.h"
#include "tree/packages.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {

/// What the packages step after the steps of 'plan' would install now.
PackageLock resolve(const Plan& plan, const PackagesStep& step, const Base& base, const Cache& cache, const BuildOptions& options,
                    Status& status) {
  const io::TemporaryDirectory work(cache.work(), "lock");
  ImageTree tree({plan, base, cache, options}, work.path(), status);
  status.begin("choosing packages");
  const StepContext context = {.package_cache = cache.packages(), .work = work.path(), .proxy = options.proxy};
  PackageLock lock = resolve_packages(*tree.open(), step, context, status);
  status.end(fmt::format("{} packages", lock.size()));
  return lock;
}

/// Adds to 'lock' what it lacks for the plan.
void add_plan(LockFile& lock, const Plan& plan, const Base& base, const Cache& cache, const BuildOptions& options, Status& status) {
  const std::vector<std::string> keys = lock_keys(plan);
  Plan before = plan;
  before.steps.clear();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    PlannedStep planned = plan.steps[i];
    if (const auto* step = std::get_if<PackagesStep>(&planned.step)) {
      if (lock.find_step(keys[i]) == nullptr) {
        lock.steps.push_back({.step = describe(planned.step), .key = keys[i], .packages = resolve(before, *step, base, cache, options, status)});
      }
      pin(planned, lock.find_step(keys[i])->packages);
    }
    before.steps.push_back(std::move(planned));
  }
}

void add_to(std::map<std::string, std::set<std::string>>& versions, const LockFile& lock) {
  for (const LockedBase& base : lock.bases) versions["base " + base.name].insert(base.digest.substr(0, 16));
  for (const LockedStep& step : lock.steps) {
    for (const LockedPackage& package : step.packages) versions[package.name + ":" + package.architecture].insert(package.version);
  }
}

}  // namespace

LockFile make_lock(const std::vector<Plan>& plans, const Cache& cache, const BuildOptions& options, CommandRunner& runner, Status& status) {
  LockFile lock;
  for (const Plan& plan : plans) {
    const Base base = provide_base(plan.base, cache, options.base, runner, status);
    if (lock.find_base(plan.base) == nullptr) lock.bases.push_back({.name = plan.base, .digest = base.digest});
    try {
      add_plan(lock, plan, base, cache, options, status);
    } catch (Error& error) {
      throw error.add_context(fmt::format("locking the packages of role '{}'", plan.recipe.role));
    }
  }
  std::ranges::sort(lock.bases, {}, &LockedBase::name);
  return lock;
}

LockFile merged(const LockFile& before, const LockFile& lock) {
  LockFile result = lock;
  for (const LockedBase& base : before.bases) {
    if (lock.find_base(base.name) == nullptr) result.bases.push_back(base);
  }
  for (const LockedStep& step : before.steps) {
    if (lock.find_step(step.key) == nullptr) result.steps.push_back(step);
  }
  std::ranges::sort(result.bases, {}, &LockedBase::name);
  return result;
}

std::vector<LockChange> changes(const LockFile& before, const LockFile& now) {
  std::map<std::string, std::set<std::string>> old_versions;
  std::map<std::string, std::set<std::string>> new_versions;
  add_to(old_versions, before);
  add_to(new_versions, now);
  std::set<std::string> names;
  for (const auto* versions : {&old_versions, &new_versions}) {
    for (const auto& [name, ignored] : *versions) names.insert(name);
  }
  std::vector<LockChange> changes;
  for (const std::string& name : names) {
    const LockChange change = {.name = name, .before = fmt::format("{}", fmt::join(old_versions[name], ", ")),
                               .now = fmt::format("{}", fmt::join(new_versions[name], ", "))};
    if (change.before != change.now) changes.push_back(change);
  }
  return changes;
}

}  // namespace imgbuild
