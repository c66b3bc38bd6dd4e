#include "build/step_inputs.h"

#include "tree/folder_guest.h"
#include "util/digest.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using Inputs = std::vector<StepInput>;

void add_names(Inputs& inputs, const std::string& verb, const std::vector<std::string>& names) {
  for (const std::string& name : names) inputs.push_back({verb + " " + name, ""});
}

std::string value_of(const fs::path& path, FolderItem::Kind kind) {
  switch (kind) {
    case FolderItem::Kind::folder: return "folder";
    case FolderItem::Kind::file: return "file " + sha256_file(path);
    case FolderItem::Kind::program: return "program " + sha256_file(path);
    case FolderItem::Kind::link: return "link " + fs::read_symlink(path).native();
  }
  return {};
}

Inputs list(const PackagesStep& step) {
  Inputs inputs;
  add_names(inputs, "install", step.install);
  add_names(inputs, "remove", step.remove);
  if (step.upgrade == PackagesStep::Upgrade::yes) inputs.push_back({"upgrade", ""});
  return inputs;
}

Inputs list(const OverlayStep& step) {
  Inputs inputs;
  for (const FolderItem& item : folder_items(step.folder)) {
    inputs.push_back({"overlays/" + step.name + "/" + item.path, value_of(step.folder / item.path, item.kind)});
  }
  return inputs;
}

Inputs list(const PayloadStep& step) {
  return {{"payload " + step.name, step.sha256}, {step.install.filename().native(), sha256_file(step.install)}};
}

Inputs list(const RunStep& step) { return {{step.script.filename().native(), sha256_file(step.script)}}; }

Inputs list(const ServicesStep& step) {
  Inputs inputs;
  add_names(inputs, "enable", step.enable);
  add_names(inputs, "disable", step.disable);
  add_names(inputs, "mask", step.mask);
  return inputs;
}

}  // namespace

Inputs inputs_of(const Step& step) {
  return std::visit([](const auto& kind) { return list(kind); }, step);
}

std::string digest_of(const Step& step, const Inputs& inputs) {
  Sha256 hash;
  hash.update_field(fmt::format("{}", step.index()));
  for (const auto& [name, value] : inputs) {
    hash.update_field(name);
    hash.update_field(value);
  }
  return hash.hex();
}

}  // namespace imgbuild
