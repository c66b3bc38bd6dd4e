#include "inspect/image_difference.h"

#include <fmt/format.h>

#include <set>

#include "build/documents.h"

namespace imgbuild {
namespace {

void add_packages(const std::vector<ManifestPackage>& packages, ImageSummary& summary) {
  for (const ManifestPackage& package : packages) summary.packages[package.name + ":" + package.architecture] = package.version;
}

void add_layout(const DiskLayout& layout, ImageSummary& summary) {
  for (const Partition& partition : layout.partitions) {
    summary.settings[fmt::format("partition {}", partition.number)] =
        fmt::format("{} sectors from {}{}", partition.sectors, partition.first_sector, partition.mount_point.empty() ? "" : " on " + partition.mount_point);
  }
}

/// A name that is there several times has all its values.
void add(std::map<std::string, std::string>& settings, const std::string& name, const std::string& value) {
  std::string& known = settings[name];
  known += (known.empty() ? "" : ", ") + value;
}

/// What people want to see of it; of a folder without its time.
std::string describe(const TreeRecord& record) {
  std::string text = fmt::format("{} {:04o} {}:{}", record.type, record.mode, record.uid, record.gid);
  if (record.type == 'f') text += fmt::format(" {} bytes SHA-256 {}", record.size, record.content);
  if (record.type == 'l') text += " → " + record.content;
  if (!record.attributes.empty()) text += " " + record.attributes;
  return record.type == 'd' ? text : text + fmt::format(" time {}", record.mtime);
}

std::map<std::string, std::string> described(const std::vector<TreeRecord>& files) {
  std::map<std::string, std::string> texts;
  for (const TreeRecord& record : files) texts[record.path] = describe(record);
  return texts;
}

std::vector<ImageChange> changes(const std::map<std::string, std::string>& before, const std::map<std::string, std::string>& after) {
  std::set<std::string> names;
  for (const auto* side : {&before, &after}) {
    for (const auto& [name, value] : *side) names.insert(name);
  }
  const auto value_in = [](const std::map<std::string, std::string>& side, const std::string& name) {
    const auto found = side.find(name);
    return found == side.end() ? std::string() : found->second;
  };
  std::vector<ImageChange> changes;
  for (const std::string& name : names) {
    ImageChange change{.name = name, .before = value_in(before, name), .after = value_in(after, name)};
    if (change.before != change.after) changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace

ImageSummary summary_of(const ImageContent& content) {
  const ImageFacts facts = facts_of(content);
  ImageSummary summary{.packages = {}, .settings = {}, .files = content.files};
  add_packages(facts.packages, summary);
  add_layout(content.layout, summary);
  for (const auto& [name, state] : facts.units) summary.settings["unit " + name] = state;
  for (const ImageUser& user : facts.users) summary.settings["user " + user.name] = fmt::format("{} {}, password {}", user.uid, user.shell, user.password);
  for (const ImageSetting& setting : facts.settings) add(summary.settings, setting.place + " " + setting.name, setting.value);
  return summary;
}

ImageSummary summary_of(const GivenManifest& given) {
  ImageSummary summary{.packages = {}, .settings = {}, .files = read_file_list(given.manifest, given.path.parent_path())};
  add_packages(given.manifest.packages, summary);
  add_layout(given.manifest.layout, summary);
  for (const auto& [name, value] : given.manifest.base) summary.settings["base " + name] = value;
  for (const auto& [text, digest] : given.manifest.steps) add(summary.settings, "step " + text, digest);
  for (const ManifestPayload& payload : given.manifest.payloads) summary.settings["payload " + payload.name] = payload.sha256;
  for (const auto& [name, digest] : given.manifest.boot) summary.settings["boot " + name] = digest;
  return summary;
}

ImageDifference difference_of(const ImageSummary& before, const ImageSummary& after) {
  return {.packages = changes(before.packages, after.packages),
          .settings = changes(before.settings, after.settings),
          .files = changes(described(before.files), described(after.files))};
}

}  // namespace imgbuild
