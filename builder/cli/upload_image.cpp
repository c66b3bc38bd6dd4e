#include "cli/upload_image.h"

#include "build/cache.h"
#include "build/manifest.h"
#include "build/outputs.h"
#include "cli/deployment_options.h"
#include "recipe/read.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

const ManifestArtifact* find_artifact(const Manifest& manifest, const std::string& format) {
  for (const ManifestArtifact& artifact : manifest.artifacts) {
    if (artifact.format == format) return &artifact;
  }
  return nullptr;
}

UploadImage image_of_role(const ImageRequest& request) {
  const Project project = find_project();
  Problems problems;
  const Environment environment = read_environment(project, request.environment, problems);
  problems.throw_if_any();
  const fs::path folder = output_root_or_default(project, request.output_root) / environment.deployment;
  const fs::path path = manifest_path(folder, request.target);
  const std::optional<Manifest> manifest = find_manifest(path);
  if (!manifest) {
    throw Error(ExitCode::bad_input, "{}: there is no image of role '{}' yet", path.native(), request.target)
        .set_hint(fmt::format("imgbuild recipe {} --env {}", request.target, request.environment.native()));
  }
  const ManifestArtifact* artifact = find_artifact(*manifest, "raw");  // needs no unpacking
  if (artifact == nullptr) artifact = find_artifact(*manifest, "qcow2");
  if (artifact == nullptr) {
    throw Error(ExitCode::bad_input, "{}: the image is there neither as qcow2 nor as raw", path.native())
        .set_hint(fmt::format("imgbuild recipe {} --env {} --format qcow2", request.target, request.environment.native()));
  }
  return {.file = folder / artifact->file, .identity = {.role = request.target, .roles = manifest->roles, .plan = manifest->plan, .artifact = artifact->sha256, .disk = {}}};
}

/// What the manifest beside an image says of it.
UploadImage image_of_file(const ImageRequest& request) {
  const fs::path file = request.target;
  UploadImage image = {.file = file, .identity = {.role = file.stem(), .roles = {}, .plan = {}, .artifact = {}, .disk = {}}};
  if (const std::optional<Manifest> manifest = find_manifest(manifest_path(file.parent_path(), file.stem()))) {
    for (const ManifestArtifact& artifact : manifest->artifacts) {
      if (artifact.file != file.filename()) continue;
      image.identity.plan = manifest->plan;
      image.identity.roles = manifest->roles;
      image.identity.artifact = artifact.sha256;
    }
  }
  return image;
}

}  // namespace

UploadImage find_image(const ImageRequest& request) {
  UploadImage image = request.environment.empty() ? image_of_file(request) : image_of_role(request);
  if (!request.name.empty()) image.identity.role = request.name;
  if (image.identity.roles.empty() || !request.name.empty()) image.identity.roles = {image.identity.role};
  const std::string& role = image.identity.role;
  const bool is_fit = !role.empty() && role.size() <= 64 && role.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
  if (!is_fit) {
    throw Error(ExitCode::bad_input, "'{}' can't be an image's name: letters, digits, '-' and '_', at most 64", role).set_hint("say another with --name");
  }
  return image;
}

ImageDisk& LazyDisk::disk() {
  if (disk_) return *disk_;
  require_intact();
  disk_.emplace(image_.file, open_cache().work(), session_.runner(), session_.status());
  session_.status().begin("looking for data on the disk");
  map_ = scan_disk(disk_->raw(), session_.status());
  session_.status().end(fmt::format("{} of {} GiB", format_byte_size({map_.blocks.size() * kBlockSize}), map_.volume_gib));
  image_.identity.disk = digest_of(map_);
  return *disk_;
}

void LazyDisk::require_intact() const {
  if (image_.identity.artifact.empty() || sha256_file(image_.file) == image_.identity.artifact) return;
  throw Error(ExitCode::verification_failed, "{}: is not the file that its manifest tells of", image_.file.native()).set_hint("build the image again");
}

}  // namespace imgbuild
