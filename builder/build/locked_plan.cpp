#include "build/locked_plan.h"

#include <algorithm>
#include <set>

#include "tree/package_store.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

std::string cure(const Plan& plan) { return fmt::format("imgbuild lock --env {}", plan.environment.file.native()); }

constexpr const char* kImport = "build once with a network and without --locked, or: imgbuild bundle --import FILE";

/// Names for a message, not all of many.
std::string some_of(const std::set<std::string>& names) {
  constexpr std::size_t kMost = 5;
  std::string text;
  std::size_t said = 0;
  for (const std::string& name : names) {
    if (said == kMost) return text + fmt::format(" and {} more", names.size() - kMost);
    text += (said++ == 0 ? "'" : ", '") + name + "'";
  }
  return text;
}

}  // namespace

std::vector<std::string> lock_keys(const Plan& plan) {
  std::vector<std::string> keys;
  std::string before = sha256("lock of " + plan.base);
  for (const PlannedStep& planned : plan.steps) {
    const bool has_packages = std::holds_alternative<PackagesStep>(planned.step);
    if (has_packages) before = sha256(before + " " + digest_of(planned.step, planned.inputs));
    keys.push_back(has_packages ? before : "");
  }
  return keys;
}

void pin(PlannedStep& step, PackageLock lock) {
  step.inputs.push_back({.name = "a lock", .value = {}});
  for (const LockedPackage& package : lock) {
    step.inputs.push_back({.name = fmt::format("package {}:{}", package.name, package.architecture),
                           .value = package.version + " " + package.sha256});
  }
  step.digest = digest_of(step.step, step.inputs);
  step.lock = std::move(lock);
}

void pin(Plan& plan, const LockFile& lock, const fs::path& file) {
  const LockedBase* base = lock.find_base(plan.base);
  if (base == nullptr) throw Error(ExitCode::bad_input, "{}: has no base '{}'", file.native(), plan.base).set_hint(cure(plan));
  plan.base_digest = base->digest;
  const std::vector<std::string> keys = lock_keys(plan);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].empty()) continue;
    PlannedStep& planned = plan.steps[i];
    const LockedStep* locked = lock.find_step(keys[i]);
    if (locked == nullptr) {
      throw Error(ExitCode::bad_input, "{}: has nothing for step {} ({}) of role '{}'", file.native(), i + 1, describe(planned.step),
                  plan.recipe.role)
          .set_hint(cure(plan));
    }
    pin(planned, locked->packages);
  }
}

std::optional<Base> find_pinned_base(const Plan& plan, const Cache& cache) {
  if (plan.base_digest.empty()) return std::nullopt;
  for (Base& base : list_bases(cache.bases())) {
    if (base.name == plan.base && base.digest == plan.base_digest) return std::move(base);
  }
  return std::nullopt;
}

Base provide_base_of(const Plan& plan, const Cache& cache, const BaseOptions& options, CommandRunner& runner, Status& status) {
  if (std::optional<Base> base = find_pinned_base(plan, cache)) return *std::move(base);
  Base base = provide_base(plan.base, cache, options, runner, status);
  if (plan.base_digest.empty() || base.digest == plan.base_digest) return base;
  throw Error(ExitCode::bad_input, "base '{}' has the digest {}, but the lock says {}", plan.base, base.digest, plan.base_digest)
      .set_hint(cure(plan));
}

void require_everything_here(const std::vector<Plan>& plans, const Cache& cache) {
  std::set<std::string> missing;
  for (const Plan& plan : plans) {
    if (!find_pinned_base(plan, cache)) {
      throw Error(ExitCode::bad_input, "base '{}' with the digest {} of the lock is not in the cache", plan.base, plan.base_digest)
          .set_hint(kImport);
    }
    for (const PlannedStep& planned : plan.steps) {
      if (!planned.lock) continue;
      for (const LockedPackage& package : PackageStore(cache.packages()).missing(*planned.lock)) missing.insert(package.file);
    }
  }
  if (missing.empty()) return;
  throw Error(ExitCode::bad_input, "not in the cache, or damaged there: {}", some_of(missing)).set_hint(kImport);
}

}  // namespace imgbuild
