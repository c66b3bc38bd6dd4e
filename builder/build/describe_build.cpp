#include "build/describe_build.h"

#include <fmt/format.h>

#include <map>
#include <tuple>

#include "build/boot_digests.h"
#include "util/digest.h"
#include "util/io.h"
#include "util/read_at.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// With the digest of the file that each came from, where a step installed it.
std::vector<ManifestPackage> describe_packages(const BuiltDisk& made) {
  std::map<std::tuple<std::string, std::string, std::string>, std::string> digests;
  for (const LockedPackage& package : made.packages) digests[{package.name, package.version, package.architecture}] = package.sha256;
  std::vector<ManifestPackage> packages;
  for (const InstalledPackage& package : made.installed) {
    packages.push_back({.name = package.name, .version = package.version, .architecture = package.architecture,
                        .sha256 = digests[{package.name, package.version, package.architecture}]});
  }
  return packages;
}

std::map<std::string, std::string> describe_base(const Base& base) {
  std::map<std::string, std::string> facts = base.origin;
  facts["name"] = fs::path(base.name).filename().native();
  facts["digest"] = base.digest;
  facts["distribution"] = base.distribution;
  facts["release"] = base.release;
  facts["architecture"] = base.architecture;
  return facts;
}

/// Of what the recipe says, not of its text: roles that share an image share it.
std::string recipe_digest(const Plan& plan) {
  Sha256 hash;
  hash.update_field(fmt::format("{}", plan.recipe.disk.bytes));
  hash.update_field(plan.recipe.seed);
  for (const PlannedStep& step : plan.steps) hash.update_field(step.digest);
  return hash.hex();
}

std::map<std::string, std::string> boot_digests_of(const fs::path& raw, const DiskLayout& layout) {
  const io::File file = io::open_for_reading(raw);
  return boot_digests(layout, [&](std::uint64_t offset, std::size_t size) { return io::read_at(file, size, offset); });
}

}  // namespace

Manifest describe_build(const Plan& plan, const Base& base, const std::string& plan_digest, const BuiltDisk& made) {
  Manifest manifest;
  manifest.role = plan.recipe.role;
  manifest.roles = plan.roles;
  manifest.plan = plan_digest;
  manifest.epoch = made.epoch;
  manifest.disk = plan.recipe.disk.bytes;
  manifest.base = describe_base(base);
  manifest.recipe = recipe_digest(plan);
  for (const PlannedStep& step : plan.steps) {
    manifest.steps.emplace_back(describe(step.step), step.digest);
    if (const auto* payload = std::get_if<PayloadStep>(&step.step)) manifest.payloads.push_back({.name = payload->name, .sha256 = payload->sha256});
  }
  manifest.packages = describe_packages(made);
  manifest.layout = fit_to_disk(base.layout, plan.recipe.disk);
  manifest.boot = boot_digests_of(made.raw, manifest.layout);
  return manifest;
}

}  // namespace imgbuild
