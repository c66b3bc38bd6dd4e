#include "cli/launch_image.h"

#include "build/manifest.h"
#include "util/error.h"

namespace imgbuild {
namespace {

constexpr const char* kAvailable = "available";

struct Candidates {
  const Ami* newest = nullptr;   ///< of those that are available
  const Ami* of_plan = nullptr;  ///< the newest of them with the plan
};

Candidates candidates_of(const std::vector<Ami>& amis, const std::string& plan) {
  Candidates found;
  for (const Ami& ami : amis) {  // the newest is the last
    if (ami.state != kAvailable) continue;
    found.newest = &ami;
    if (ami.tag(kPlanTag) == plan) found.of_plan = &ami;
  }
  return found;
}

}  // namespace

Ami choose_image(Aws& aws, const WantedImage& wanted) {
  const std::vector<Ami> amis = list_amis(aws, kServesTag + wanted.role, "true");
  if (amis.empty()) {
    throw Error(ExitCode::bad_input, "{}: there is no image of role '{}'", aws.region(), wanted.role)
        .set_hint(fmt::format("imgbuild ami upload {} --env {} --region {}", wanted.role, wanted.environment.native(), aws.region()));
  }
  const std::optional<Manifest> manifest = find_manifest(wanted.manifest);
  const Candidates found = candidates_of(amis, manifest ? manifest->plan : "");
  if (found.newest == nullptr) {
    throw Error(ExitCode::bad_input, "{}: no image of role '{}' is available: {} is {}", aws.region(), wanted.role, amis.back().id, amis.back().state)
        .set_hint("imgbuild ami list shows when it is");
  }
  const Ami& ami = manifest && found.of_plan != nullptr ? *found.of_plan : *found.newest;
  std::string why = "the newest";
  if (manifest) why = found.of_plan != nullptr ? "which has the plan of " : "the newest, which has another plan than ";
  aws.status().note(fmt::format("{}: image {} of {}, {}{}", wanted.role, ami.id, ami.created, why, manifest ? wanted.manifest.native() : ""));
  return ami;
}

Ami require_image(Aws& aws, const std::string& id) {
  Ami ami = get_ami(aws, id);
  if (ami.state == kAvailable) return ami;
  throw Error(ExitCode::bad_input, "{}: the image is {}, not available", id, ami.state).set_hint("imgbuild ami list shows when it is");
}

}  // namespace imgbuild
