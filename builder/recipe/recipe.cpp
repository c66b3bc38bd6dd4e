#include "recipe/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace imgbuild {
namespace {

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

/// "scripts/x.sh": the folder says what it is, the rest of the path is the same for all.
std::string short_path(const std::filesystem::path& path) {
  return (path.parent_path().filename() / path.filename()).string();
}

/// "enable nginx.service; mask a.timer" without the empty ones.
std::string actions(const std::vector<std::pair<std::string_view, std::vector<std::string>>>& lists) {
  std::vector<std::string> parts;
  for (const auto& [verb, words] : lists)
    if (!words.empty()) parts.push_back(fmt::format("{} {}", verb, joined(words)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string describe_step(const PackagesStep& step) {
  const std::string text = actions({{"install", step.install}, {"remove", step.remove}});
  if (step.upgrade == PackagesStep::Upgrade::no) return "packages: " + text;
  return text.empty() ? "packages: upgrade" : "packages: " + text + " (upgrade)";
}

std::string describe_step(const OverlayStep& step) { return "overlay: " + step.name; }

std::string describe_step(const PayloadStep& step) {
  return fmt::format("payload: {} ({}) by {}", step.name, step.file.filename().string(),
                     short_path(step.install));
}

std::string describe_step(const RunStep& step) { return "run: " + short_path(step.script); }

std::string describe_step(const ServicesStep& step) {
  return "services: " + actions({{"enable", step.enable}, {"disable", step.disable}, {"mask", step.mask}});
}

}  // namespace

std::string describe(const Step& step) {
  return std::visit([](const auto& kind) { return describe_step(kind); }, step);
}

const std::vector<std::string>& known_formats() {
  static const std::vector<std::string> formats = {"qcow2", "qcow2-zlib", "raw", "raw.zst", "vmdk", "vhd", "vhdx",
                                                   "ova", "tar", "box-libvirt", "box-virtualbox", "vagrant"};
  return formats;
}

std::vector<std::string> formats_meant_by(const std::string& word) {
  if (word == "vagrant") return {"box-libvirt", "box-virtualbox"};
  return {word};
}

const std::vector<std::string>& known_bases() {
  static const std::vector<std::string> bases = {"bootstrap", "debian-12", "ubuntu-22.04", "ubuntu-24.04"};
  return bases;
}

}  // namespace imgbuild
