#include "build/lock_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// A list with an item a line.
template <typename Items, typename ToText>
std::string lines_of(const Items& items, const std::string& indent, ToText to_text) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "\n" : ",\n") + indent + to_text(item);
  return text;
}

std::string base_text(const LockedBase& base) {
  return fmt::format("{{\"name\": {}, \"digest\": \"{}\"}}", Json(base.name).dump(), base.digest);
}

std::string package_text(const LockedPackage& package) {
  return fmt::format(R"({{"name": "{}", "version": "{}", "architecture": "{}", "sha256": "{}", "size": {}, "file": {}, "uri": {}}})",
                     package.name, package.version, package.architecture, package.sha256, package.size,
                     Json(package.file).dump(), Json(package.uri).dump());
}

std::string step_text(const LockedStep& step) {
  return fmt::format("{{\"step\": {}, \"key\": \"{}\", \"packages\": [{}]}}", Json(step.step).dump(), step.key,
                     lines_of(step.packages, "      ", package_text));
}

}  // namespace

const LockedBase* LockFile::find_base(const std::string& name) const {
  const auto place = std::ranges::find(bases, name, &LockedBase::name);
  return place == bases.end() ? nullptr : &*place;
}

const LockedStep* LockFile::find_step(const std::string& key) const {
  const auto place = std::ranges::find(steps, key, &LockedStep::key);
  return place == steps.end() ? nullptr : &*place;
}

fs::path lock_path(const fs::path& environment_file) { return fs::path(environment_file).replace_extension(".lock"); }

std::string to_text(const LockFile& lock) {
  return fmt::format("{{\n  \"version\": 1,\n  \"bases\": [{}],\n  \"steps\": [{}]\n}}\n", lines_of(lock.bases, "    ", base_text),
                     lines_of(lock.steps, "    ", step_text));
}

}  // namespace imgbuild
