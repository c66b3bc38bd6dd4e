#include "build/layer_key.h"

#include "util/digest.h"

namespace imgbuild {
namespace {

/// A change in how steps change trees, or in how layers are kept, changes this number, and with it every key.
constexpr std::string_view kLayerRules = "imgbuild layer rules 3";

}  // namespace

std::string base_layer_key(const Base& base) {
  Sha256 hash;
  for (const std::string_view field : {kLayerRules, std::string_view(IMGBUILD_VERSION), std::string_view(base.digest)}) hash.update_field(field);
  return hash.hex();
}

std::string layer_key(const Layer& parent, const PlannedStep& step) {
  Sha256 hash;
  for (const std::string& field : {parent.key, parent.content, step.digest}) hash.update_field(field);
  return hash.hex();
}

}  // namespace imgbuild
