#include "build/builder.h"

#include <algorithm>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "build/box_catalog.h"
#include "build/describe_build.h"
#include "build/documents.h"
#include "build/image_tree.h"
#include "build/last_build.h"
#include "build/locked_plan.h"
#include "build/manifest.h"
#include "build/outputs.h"
#include "image/assemble.h"
#include "image/format.h"
#include "tree/generalize.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// What the stages of one build share.
struct Build {
  const Plan& plan;
  const Cache& cache;
  const BuildOptions& options;
  CommandRunner& runner;
  Status& status;
  Base base;
  std::string digest;  ///< the plan's
};

std::string artifact_name(const std::string& role, const OutputFormat& format) { return fmt::format("{}.{}", role, format.extension); }

BuiltImage paths_of(const Plan& plan, const Manifest& manifest) {
  BuiltImage built;
  for (const ManifestArtifact& artifact : manifest.artifacts) built.artifacts.push_back(plan.output / artifact.file);
  built.manifest = manifest_path(plan.output, plan.recipe.role);
  return built;
}

bool has_formats(const Manifest& manifest, const std::vector<std::string>& formats) {
  std::vector<std::string> found;
  for (const ManifestArtifact& artifact : manifest.artifacts) found.push_back(artifact.format);
  return found == formats;
}

/// Paths of the finished image, with a catalog of its Vagrant boxes.
BuiltImage present(const Build& build, const Manifest& manifest) {
  BuiltImage built = paths_of(build.plan, manifest);
  const Plan& plan = build.plan;
  const BoxCatalog catalog = {.deployment = plan.environment.deployment, .description = plan.recipe.description, .folder = plan.output};
  if (const std::optional<fs::path> path = write_box_catalog(catalog, manifest)) built.artifacts.push_back(*path);
  return built;
}

/// What the image says of itself, /usr/lib/appliance/image.json.
std::string image_json(const Build& build) {
  return nlohmann::ordered_json{{"version", 1}, {"image", build.plan.recipe.seed}, {"roles", build.plan.roles},
                                {"plan", build.digest}, {"built_with", "imgbuild " IMGBUILD_VERSION}}
             .dump(2) + "\n";
}

/// The last of the steps: what the image says of itself. Returns what is installed.
std::vector<InstalledPackage> complete_tree(const Build& build, Guest& guest) {
  guest.make_folder("/usr/lib/appliance");
  guest.write_file("/usr/lib/appliance/image.json", image_json(build), 0644);
  std::vector<InstalledPackage> packages = installed_packages(guest);
  guest.finish();
  return packages;
}

/// A file for each format of the plan, as far as it is written.
using Artifacts = std::map<std::string, ManifestArtifact>;

/// Notes a finished file of 'folder'.
void note_artifact(const Build& build, const std::string& format, const fs::path& folder, const std::string& digest, Artifacts& artifacts) {
  const std::string file = artifact_name(build.plan.recipe.role, find_format(format));
  artifacts[format] = {.file = file, .format = format, .sha256 = digest, .size = fs::file_size(folder / file)};
}

/// Writes the formats that are made of the tree into 'folder'.
void write_tree_formats(const Build& build, const fs::path& tree, const fs::path& folder, Artifacts& artifacts) {
  for (const std::string& name : build.plan.formats) {
    if (find_format(name).open != nullptr) continue;
    const std::string file = artifact_name(build.plan.recipe.role, find_format(name));
    build.status.begin("writing " + file);
    note_artifact(build, name, folder, archive_tree(tree, folder / file), artifacts);
    build.status.end(format_byte_size({artifacts[name].size}));
  }
}

/// Writes the others, all while the disk is read once.
void write_disk_formats(const Build& build, const fs::path& raw, const fs::path& folder, Artifacts& artifacts) {
  std::vector<FormatRequest> requests;
  std::vector<std::string> files;
  for (const std::string& name : build.plan.formats) {
    if (find_format(name).open == nullptr) continue;
    files.push_back(artifact_name(build.plan.recipe.role, find_format(name)));
    requests.push_back({.format = name, .out = folder / files.back()});
  }
  if (requests.empty()) return;
  build.status.begin(fmt::format("writing {}", fmt::join(files, ", ")));
  const std::vector<std::string> digests = write_formats(raw, build.plan.recipe.seed, requests);
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    note_artifact(build, requests[i].format, folder, digests[i], artifacts);
    size += artifacts[requests[i].format].size;
  }
  build.status.end(format_byte_size({size}));
}

/// From here nothing can fail but the renames themselves. The old manifest goes first: at no moment does a manifest
/// stand beside an artifact that it does not describe.
void publish(const Build& build, const fs::path& folder, const Manifest& manifest) {
  const fs::path target = manifest_path(build.plan.output, build.plan.recipe.role);
  for (const fs::path& old : {target, signatures_path(target), provenance_path(target)}) {
    if (fs::exists(fs::symlink_status(old))) io::remove_file(old);
  }
  for (const auto* list : {&manifest.artifacts, &manifest.documents}) {
    for (const ManifestArtifact& artifact : *list) io::rename(folder / artifact.file, build.plan.output / artifact.file);
  }
  io::write_file(target, to_json(manifest), 0644);
}

/// The manifest of a role's image, if that is the one of this plan and intact.
std::optional<Manifest> find_image(const Build& build, const std::string& role) {
  std::optional<Manifest> manifest = find_manifest(manifest_path(build.plan.output, role));
  if (!manifest || manifest->plan != build.digest || !has_formats(*manifest, build.plan.formats)) return std::nullopt;
  if (artifacts_are_intact(*manifest, build.plan.output)) return manifest;
  build.status.note(fmt::format("the image of '{}' in '{}' is damaged or incomplete", role, build.plan.output.native()));
  return std::nullopt;
}

/// The roles in whose name the image may be there already, the preferred first.
std::vector<std::string> roles_to_look_at(const Build& build) {
  std::vector<std::string> roles = {build.plan.recipe.role};
  if (!build.options.same_as.empty()) roles.insert(roles.begin(), build.options.same_as);
  for (const std::string& role : build.plan.roles) {
    if (std::ranges::find(roles, role) == roles.end()) roles.push_back(role);
  }
  return roles;
}

/// Gives the image of another role this role's name. Both stand for the same bytes, which nothing ever changes in place.
BuiltImage share_image(const Build& build, Manifest manifest) {
  const io::TemporaryDirectory named(build.plan.output, "image");
  const std::string owner = std::exchange(manifest.role, build.plan.recipe.role);
  const auto rename = [&](ManifestArtifact& artifact, const std::string& name) {
    const fs::path source = build.plan.output / std::exchange(artifact.file, name);
    io::link_or_copy(source, named.path() / name);
  };
  for (ManifestArtifact& artifact : manifest.artifacts) rename(artifact, artifact_name(manifest.role, find_format(artifact.format)));
  for (ManifestArtifact& document : manifest.documents) rename(document, document_name(manifest.role, document));
  publish(build, named.path(), manifest);
  build.status.note(fmt::format("{}: the same image as {}", manifest.role, owner));
  return present(build, manifest);
}

/// True if this role's image is that of the other already.
bool is_shared(const Build& build, const Manifest& other) {
  const std::optional<Manifest> own = find_manifest(manifest_path(build.plan.output, build.plan.recipe.role));
  if (!own || own->plan != other.plan || own->artifacts.size() != other.artifacts.size()) return false;
  for (std::size_t i = 0; i < own->artifacts.size(); ++i) {
    if (own->artifacts[i].sha256 != other.artifacts[i].sha256) return false;
  }
  return artifacts_are_intact(*own, build.plan.output);
}

std::optional<BuiltImage> find_or_share(const Build& build) {
  for (const std::string& role : roles_to_look_at(build)) {
    const std::optional<Manifest> manifest = find_image(build, role);
    if (!manifest) continue;
    const std::string& own = build.plan.recipe.role;
    if (role != own && !is_shared(build, *manifest)) return share_image(build, *manifest);
    build.status.note(fmt::format("{}: nothing changed", own));
    return present(build, *find_manifest(manifest_path(build.plan.output, own)));
  }
  return std::nullopt;
}

/// For `explain`.
void remember(const Build& build, const std::vector<std::string>& keys) {
  LastBuild last{.imgbuild = IMGBUILD_VERSION, .base = build.base.digest};
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const PlannedStep& planned = build.plan.steps[i];
    last.steps.push_back({.step = describe(planned.step), .key = keys[i], .inputs = planned.inputs});
  }
  keep_last_build(build.cache, build.plan, last);
}

/// The image, from the base to its place.
BuiltImage make_image(const Build& build) {
  const io::TemporaryDirectory work(build.cache.work(), "build");
  const io::TemporaryDirectory finished(build.plan.output, "image");
  const fs::path raw = work.path() / "disk.raw";
  BuiltDisk made{.raw = raw};
  Artifacts artifacts;
  {
    ImageTree tree({build.plan, build.base, build.cache, build.options}, work.path(), build.status);
    remember(build, tree.keys());
    made.installed = complete_tree(build, *tree.open());
    made.packages = tree.packages();
    made.epoch = tree.epoch();
    generalize(tree.path(), tree.epoch(), build.status);

    // From here the tree does not change.
    write_tree_formats(build, tree.path(), finished.path(), artifacts);
    build.status.begin("assembling the disk");
    // mke2fs keeps one processor busy; the other reads the files meanwhile.
    std::future<std::vector<TreeRecord>> files = std::async(std::launch::async, [&] { return tree_listing(tree.path()); });
    assemble({.tree = tree.path(), .boot_area = build.base.boot(), .layout = build.base.layout, .disk = build.plan.recipe.disk, .epoch = tree.epoch()},
             raw, build.runner, build.status);
    made.files = files.get();
    build.status.end(format_byte_size(build.plan.recipe.disk));
  }

  Manifest manifest = describe_build(build.plan, build.base, build.digest, made);
  write_disk_formats(build, raw, finished.path(), artifacts);
  for (const std::string& format : build.plan.formats) manifest.artifacts.push_back(artifacts.at(format));
  write_documents(manifest, made.files, finished.path());
  publish(build, finished.path(), manifest);
  return present(build, manifest);
}

}  // namespace

BuiltImage build_image(const Plan& plan, const Cache& cache, const BuildOptions& options, CommandRunner& runner, Status& status) {
  const Base base = provide_base_of(plan, cache, options.base, runner, status);
  const Build build = {plan, cache, options, runner, status, base, plan_digest(plan, base.digest)};
  io::make_directories(plan.output, 0755);
  std::vector<std::unique_ptr<io::FileLock>> locks;  // of all roles of the image, in the order of their names: no deadlock
  for (const std::string& role : plan.roles) {
    locks.push_back(std::make_unique<io::FileLock>(plan.output / fmt::format(".{}.lock", role),
                                                   [&] { status.note("another imgbuild makes this image; waiting"); }));
  }
  (void)io::sweep_temporaries(plan.output);
  if (options.rebuild == BuildOptions::Rebuild::no) {
    if (std::optional<BuiltImage> found = find_or_share(build)) return *found;
  }
  try {
    return make_image(build);
  } catch (Error& error) {
    throw error.add_context(fmt::format("building role '{}'", plan.recipe.role));
  }
}

}  // namespace imgbuild
