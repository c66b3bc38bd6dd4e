#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>

#include "build/cache.h"
#include "build/manifest.h"
#include "build/outputs.h"
#include "cli/ami.h"
#include "cli/deployment_options.h"
#include "publish/ami.h"
#include "publish/image_disk.h"
#include "publish/object_store.h"
#include "recipe/read.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

enum class Way { direct, import };
const std::map<std::string, Way> kWays = {{"direct", Way::direct}, {"import", Way::import}};

struct UploadOptions : AmiOptions {
  std::string target;  ///< an image's path, or a role with --env
  fs::path environment;
  fs::path output_root;
  std::string name;
  Way way = Way::direct;
  std::string bucket;
  std::string service_role = "vmimport";
  Encryption encryption;
  std::vector<std::string> copy_to;
  std::vector<std::string> share_with;
};

/// A file to upload, and what it is.
struct Image {
  fs::path file;
  AmiIdentity identity;  ///< the disk's digest comes later
};

const ManifestArtifact* find_artifact(const Manifest& manifest, const std::string& format) {
  for (const ManifestArtifact& artifact : manifest.artifacts) {
    if (artifact.format == format) return &artifact;
  }
  return nullptr;
}

Image image_of_role(const UploadOptions& options) {
  const Project project = find_project();
  Problems problems;
  const Environment environment = read_environment(project, options.environment, problems);
  problems.throw_if_any();
  const fs::path folder = output_root_or_default(project, options.output_root) / environment.deployment;
  const fs::path path = manifest_path(folder, options.target);
  const std::optional<Manifest> manifest = find_manifest(path);
  if (!manifest) {
    throw Error(ExitCode::bad_input, "{}: there is no image of role '{}' yet", path.native(), options.target)
        .set_hint(fmt::format("imgbuild recipe {} --env {}", options.target, options.environment.native()));
  }
  const ManifestArtifact* artifact = find_artifact(*manifest, "raw");  // needs no unpacking
  if (artifact == nullptr) artifact = find_artifact(*manifest, "qcow2");
  if (artifact == nullptr) {
    throw Error(ExitCode::bad_input, "{}: the image is there neither as qcow2 nor as raw", path.native())
        .set_hint(fmt::format("imgbuild recipe {} --env {} --format qcow2", options.target, options.environment.native()));
  }
  return {.file = folder / artifact->file, .identity = {.role = options.target, .roles = manifest->roles, .plan = manifest->plan, .artifact = artifact->sha256, .disk = {}}};
}

/// What the manifest beside an image says of it.
Image image_of_file(const UploadOptions& options) {
  const fs::path file = options.target;
  Image image = {.file = file, .identity = {.role = file.stem(), .roles = {}, .plan = {}, .artifact = {}, .disk = {}}};
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

Image image_of(const UploadOptions& options) {
  Image image = options.environment.empty() ? image_of_file(options) : image_of_role(options);
  if (!options.name.empty()) image.identity.role = options.name;
  if (image.identity.roles.empty() || !options.name.empty()) image.identity.roles = {image.identity.role};
  const std::string& role = image.identity.role;
  const bool is_fit = !role.empty() && role.size() <= 64 && role.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
  if (!is_fit) {
    throw Error(ExitCode::bad_input, "'{}' can't be an image's name: letters, digits, '-' and '_', at most 64", role).set_hint("say another with --name");
  }
  return image;
}

/// The image's disk, unpacked and scanned once for all regions.
class LazyDisk {
 public:
  LazyDisk(Session& session, Image& image) : session_(session), image_(image) {}

  ImageDisk& disk() {
    if (disk_) return *disk_;
    require_intact();
    disk_.emplace(image_.file, open_cache().work(), session_.runner(), session_.status());
    session_.status().begin("looking for data on the disk");
    map_ = scan_disk(disk_->raw(), session_.status());
    session_.status().end(fmt::format("{} of {} GiB", format_byte_size({map_.blocks.size() * kBlockSize}), map_.volume_gib));
    image_.identity.disk = digest_of(map_);
    return *disk_;
  }
  [[nodiscard]] const BlockMap& map() const { return map_; }

 private:
  void require_intact() const {
    if (image_.identity.artifact.empty() || sha256_file(image_.file) == image_.identity.artifact) return;
    throw Error(ExitCode::verification_failed, "{}: is not the file that its manifest tells of", image_.file.native()).set_hint("build the image again");
  }

  Session& session_;
  Image& image_;
  std::optional<ImageDisk> disk_;
  BlockMap map_;
};

/// What came out in one region.
struct Published {
  std::string region;
  std::string ami;
  std::size_t blocks = 0;
  std::string parent = {};
  enum class Found { no, yes } found = Found::no;
};

class Upload {
 public:
  Upload(Session& session, const UploadOptions& options)
      : session_(session), options_(options), aws_(session, options), image_(image_of(options)), disk_(session, image_) {
    if (options.way == Way::import && options.bucket.empty()) throw Error(ExitCode::usage, "--method import needs --bucket");
    const bool is_shareable = options.encryption.wanted == Encryption::Wanted::no || !options.encryption.kms_key.empty();
    if (!options.share_with.empty() && !is_shareable) {
      throw Error(ExitCode::usage, "an image encrypted with the account's default key can't be shared").set_hint("name a key of your own with --kms-key, or say --no-encryption");
    }
  }

  void run() {
    std::vector<Published> all;
    for (const std::string& region : regions_of(options_)) {
      check_permissions(aws_.in(region));
      all.push_back(publish(aws_.in(region)));
      share(aws_.in(region), all.back().ami);
    }
    const Published source = all.front();
    for (const std::string& region : options_.copy_to) all.push_back(copy(source, region));
    report(all);
  }

 private:
  void check_permissions(Aws& aws) {
    std::vector<std::string> actions = {"DescribeImages", "DescribeSnapshots", "RegisterImage", "CreateTags"};
    if (options_.way == Way::import) actions.push_back("ImportSnapshot");
    const std::vector<std::string> forbidden = forbidden_calls(aws, actions);
    if (forbidden.empty()) return;
    throw Error(ExitCode::network, "{}: these credentials may not do {}", aws.region(), fmt::join(forbidden, ", "))
        .set_hint("imgbuild ami policy prints what they must be allowed to do");
  }

  /// By the tags of what it was made of: nothing is unpacked or read.
  std::optional<Ami> find_by_tags(Aws& aws) {
    if (image_.identity.plan.empty()) return std::nullopt;
    for (const Ami& ami : list_amis(aws, kPlanTag, image_.identity.plan)) {
      const auto artifact = ami.tags.find(kArtifactTag);
      if (artifact != ami.tags.end() && artifact->second == image_.identity.artifact && ami.tags.contains(kServesTag + image_.identity.role)) return ami;
    }
    return std::nullopt;
  }

  Published publish(Aws& aws) {
    const PublishState state(aws.region());
    UploadJournal journal(state.journal(image_.identity.role), [&] { session_.status().note("another imgbuild uploads this role; waiting"); });
    if (const std::optional<Ami> found = find_by_tags(aws)) return take(aws, journal, *found);
    ImageDisk& disk = disk_.disk();
    if (const std::optional<Ami> found = find_ami(aws, image_.identity.name())) {
      std::vector<std::string> resources = found->snapshots;
      resources.push_back(found->id);
      tag_resources(aws, resources, image_.identity.tags());
      return take(aws, journal, *found);
    }
    const UploadResult result = options_.way == Way::direct ? upload(aws, state, journal, disk) : import(aws, journal, disk);
    const std::string ami = register_ami(aws, {.identity = image_.identity, .snapshot = result.snapshot, .volume_gib = disk_.map().volume_gib, .boot_mode = disk.boot_mode()});
    if (options_.way == Way::direct) {
      state.keep_last(image_.identity.role, {.snapshot = result.snapshot, .encryption = options_.encryption.text(), .map = disk_.map()});
    }
    journal.end();
    const AwsFigures& figures = aws.figures();
    session_.status().note(fmt::format("{} requests, {} of them again, {} sent, slowest answer {}", figures.requests, figures.retries,
                                       format_byte_size({figures.body_bytes}), format_duration(figures.slowest)));
    return {.region = aws.region(), .ami = ami, .blocks = result.blocks, .parent = result.parent};
  }

  /// An image that is there. What the journal tells of is what it was made of, or is useless now.
  Published take(Aws& aws, UploadJournal& journal, const Ami& ami) {
    wait_for_ami(aws, ami.id);
    if (journal.record()) (void)discard_upload(aws, journal);
    session_.status().note(fmt::format("{} has it already: {}", aws.region(), ami.id));
    return {.region = aws.region(), .ami = ami.id, .found = Published::Found::yes};
  }

  UploadResult upload(Aws& aws, const PublishState& state, UploadJournal& journal, const ImageDisk& disk) {
    return upload_snapshot(aws, state, journal, {.name = image_.identity.role, .disk = disk.raw(), .map = disk_.map(), .encryption = options_.encryption, .tags = image_.identity.tags()});
  }

  UploadResult import(Aws& aws, UploadJournal& journal, ImageDisk& disk) {
    return import_snapshot(aws, journal, {.name = image_.identity.role, .disk = disk.make_vmdk(session_.runner(), session_.status()), .map = image_.identity.disk,
                                          .bucket = options_.bucket, .service_role = options_.service_role, .encryption = options_.encryption, .tags = image_.identity.tags()});
  }

  void share(Aws& aws, const std::string& id) {
    if (!options_.share_with.empty()) share_ami(aws, get_ami(aws, id), options_.share_with);
  }

  Published copy(const Published& source, const std::string& region) {
    Aws& to = aws_.in(region);
    const std::string id = copy_ami(aws_.in(source.region), to, get_ami(aws_.in(source.region), source.ami), "");
    return {.region = region, .ami = id};
  }

  void report(const std::vector<Published>& all) {
    if (session_.output == Session::Output::text) {
      for (const Published& one : all) session_.print(one.region + " " + one.ami);
      return;
    }
    Json list = Json::array();
    for (const Published& one : all) {
      list.push_back({{"region", one.region}, {"ami", one.ami}, {"found", one.found == Published::Found::yes}, {"blocks", one.blocks},
                      {"parent", one.parent.empty() ? Json(nullptr) : Json(one.parent)}});
    }
    session_.print(Json{{"images", list}}.dump());
  }

  Session& session_;
  const UploadOptions& options_;
  AmiSession aws_;
  Image image_;
  LazyDisk disk_;
};

}  // namespace

void add_ami_upload(CLI::App& ami, Session& session) {
  const auto options = std::make_shared<UploadOptions>();
  CLI::App* command = ami.add_subcommand("upload", "Makes an image of EC2 from an image file, or finds the one made before");
  command->add_option("IMAGE_OR_ROLE", options->target, "Image file (qcow2 or raw); with --env a role, whose image was built")->required();
  command->add_option("--env", options->environment, "Environment file of the deployment whose image it is");
  command->add_option("-o,--output", options->output_root, "Folder of the deployment's folder (default: output/ of the project)");
  command->add_option("--name", options->name, "Name of the image (default: the role, or the file's name)");
  command->add_option("--method", options->way, "direct: blocks straight into a snapshot; import: through a bucket of S3")
      ->transform(CLI::CheckedTransformer(kWays).description("direct|import"));
  command->add_option("--bucket", options->bucket, "Bucket for --method import");
  command->add_option("--import-role", options->service_role, "Role by which EC2 reads the bucket (default: vmimport)");
  command->add_option("--kms-key", options->encryption.kms_key, "ARN of the key to encrypt with (default: the account's key for EBS)");
  command->add_flag_callback("--no-encryption", [options] { options->encryption.wanted = Encryption::Wanted::no; }, "Don't encrypt the snapshot");
  command->add_option("--copy-to", options->copy_to, "Copy it to this region too, may be repeated")->allow_extra_args(false);
  command->add_option("--share-with", options->share_with, "Let this account start it, may be repeated")->allow_extra_args(false);
  add_ami_options(*command, *options);
  command->callback([options, &session] { Upload(session, *options).run(); });
}

}  // namespace imgbuild
