#include "cli/deployment_options.h"

#include "recipe/project.h"

namespace imgbuild {
namespace fs = std::filesystem;

void add_deployment_options(CLI::App& command, fs::path& environment, fs::path& output_root) {
  command.add_option("--env", environment, "Environment file of the deployment")->required();
  command.add_option("-o,--output", output_root, "Folder for the deployment's folder (default: output/ of the project)");
}

fs::path output_root_or_default(const Project& project, const fs::path& output_root) {
  if (!output_root.empty()) return output_root;
  const fs::path standard = project.root / "output";
  const fs::path near = fs::proximate(standard);
  return near.native().starts_with("..") ? standard : near;
}

void add_base_options(CLI::App& command, BaseOptions& options) {
  command.add_option("--mirror", options.mirror, "Package mirror for bootstrap (default: this host's)");
  command.add_option("--image-mirror", options.fetch.mirror, "Mirror of the publisher's images, https (also IMGBUILD_MIRROR)");
  command.add_option("--proxy", options.fetch.proxy, "Proxy for images and packages (default: https_proxy)");
  command.add_option("--sha256", options.fetch.pinned_sha256, "Only the published image with this digest");
  command.add_option("--serial", options.fetch.serial, "Only the published image of this serial");
  command.add_flag_callback(
      "--allow-old", [&options] { options.fetch.allow_old = FetchOptions::AllowOld::yes; },
      "Accept an index that is older than one seen before");
}

}  // namespace imgbuild
