#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/ami.h"
#include "cli/copy_target.h"
#include "cli/upload_image.h"
#include "publish/ami.h"
#include "publish/object_store.h"
#include "util/error.h"

namespace imgbuild {
namespace {

using Json = nlohmann::ordered_json;

enum class Way { direct, import };
const std::map<std::string, Way> kWays = {{"direct", Way::direct}, {"import", Way::import}};

struct UploadOptions : AmiOptions {
  ImageRequest image;
  Way way = Way::direct;
  std::string bucket;
  std::string service_role = "vmimport";
  Encryption encryption;
  std::vector<std::string> copy_to;
  std::vector<std::string> share_with;
};

/// What came out in one region.
struct Published {
  std::string region;
  std::string ami;
  std::size_t blocks = 0;
  std::string parent = {};
  enum class Found { no, yes } found = Found::no;
};

/// What AWS would refuse after the upload is refused before it.
void check_options(const UploadOptions& options, const std::vector<CopyTarget>& targets) {
  const std::vector<std::string> regions = regions_of(options);
  if (options.way == Way::import && options.bucket.empty()) throw Error(ExitCode::usage, "--method import needs --bucket");
  if (options.way == Way::import && regions.size() > 1) throw Error(ExitCode::usage, "a bucket is in one region, but {} were given", regions.size());
  const std::string& key = options.encryption.kms_key;
  if (!key.empty() && options.encryption.wanted == Encryption::Wanted::no) throw Error(ExitCode::usage, "--kms-key and --no-encryption exclude each other");
  for (const std::string& region : regions) {
    if (!key.empty()) require_key_of(key, region);
  }
  if (options.share_with.empty()) return;
  require_accounts(options.share_with);
  if (!options.encryption.is_shareable()) {
    throw Error(ExitCode::usage, "an image encrypted with the account's default key can't be shared").set_hint("name a key of your own with --kms-key, or say --no-encryption");
  }
  for (const CopyTarget& target : targets) {
    if (target.encryption.is_shareable()) continue;
    throw Error(ExitCode::usage, "the copy in {} would be encrypted with the account's default key there, and can't be shared", target.region)
        .set_hint(fmt::format("name a key of your own: --copy-to {}=ARN", target.region));
  }
}

class Upload {
 public:
  Upload(Session& session, const UploadOptions& options)
      : session_(session), options_(options), aws_(session, options), image_(find_image(options.image)), disk_(session, image_) {
    for (const std::string& text : options.copy_to) {
      targets_.push_back(read_copy_target(text, {.wanted = options.encryption.wanted, .kms_key = {}}));
    }
    check_options(options, targets_);
    image_.identity.encryption = options.encryption.text();
  }

  void run() {
    check_permissions();
    std::vector<Published> all;
    for (const std::string& region : regions_of(options_)) {
      all.push_back(publish(aws_.in(region)));
      share(aws_.in(region), all.back().ami);
    }
    const Published source = all.front();
    for (const CopyTarget& target : targets_) all.push_back(begin(source, target));
    for (std::size_t i = 0; i < targets_.size(); ++i) finish(source, all[all.size() - targets_.size() + i], targets_[i]);
    report(all);
  }

 private:
  /// In all regions, before anything is made in one.
  void check_permissions() {
    std::vector<std::string> actions = {"DescribeImages", "DescribeSnapshots", "RegisterImage", "CreateTags"};
    if (options_.way == Way::import) actions.push_back("ImportSnapshot");
    for (const std::string& region : regions_of(options_)) check_permissions(aws_.in(region), actions);
    for (const CopyTarget& target : targets_) check_permissions(aws_.in(target.region), {"DescribeImages", "CopyImage", "CreateTags"});
  }

  void check_permissions(Aws& aws, std::vector<std::string> actions) const {
    if (!options_.share_with.empty()) actions.insert(actions.end(), {"ModifyImageAttribute", "ModifySnapshotAttribute"});
    const std::vector<std::string> forbidden = forbidden_calls(aws, actions);
    if (forbidden.empty()) return;
    throw Error(ExitCode::network, "{}: these credentials may not do {}", aws.region(), fmt::join(forbidden, ", "))
        .set_hint("imgbuild ami policy prints what they must be allowed to do");
  }

  /// By the tags of what it was made of: nothing is unpacked or read.
  std::optional<Ami> find_by_tags(Aws& aws) {
    if (image_.identity.plan.empty()) return std::nullopt;
    const std::vector<Ami> amis = list_amis(aws, kPlanTag, image_.identity.plan);
    const auto found = std::ranges::find_if(amis, [&](const Ami& ami) {
      return (ami.state == "available" || ami.state == "pending") && ami.tag(kArtifactTag) == image_.identity.artifact &&
             ami.tag(kEncryptionTag) == image_.identity.encryption && ami.tag(kServesTag + image_.identity.role) == "true";
    });
    return found == amis.end() ? std::nullopt : std::optional(*found);
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
    if (options_.share_with.empty()) return;
    share_ami(aws, get_ami(aws, id), options_.share_with);
    if (options_.encryption.wanted == Encryption::Wanted::no) return;
    session_.status().note(fmt::format("{}: {} is shared; the key's policy must let these accounts use the key too", aws.region(), id));
  }

  /// All copies are made at once.
  Published begin(const Published& source, const CopyTarget& target) {
    Aws& from = aws_.in(source.region);
    return {.region = target.region, .ami = begin_copy(from, aws_.in(target.region), get_ami(from, source.ami), target.encryption)};
  }

  void finish(const Published& source, const Published& copy, const CopyTarget& target) {
    finish_copy(aws_.in(copy.region), copy.ami, get_ami(aws_.in(source.region), source.ami), target.encryption);
    share(aws_.in(copy.region), copy.ami);
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
  UploadImage image_;
  LazyDisk disk_;
  std::vector<CopyTarget> targets_;
};

}  // namespace

void add_ami_upload(CLI::App& ami, Session& session) {
  const auto options = std::make_shared<UploadOptions>();
  CLI::App* command = ami.add_subcommand("upload", "Makes an image of EC2 from an image file, or finds the one made before");
  command->add_option("IMAGE_OR_ROLE", options->image.target, "Image file (qcow2 or raw); with --env a role, whose image was built")->required();
  command->add_option("--env", options->image.environment, "Environment file of the deployment whose image it is");
  command->add_option("-o,--output", options->image.output_root, "Folder of the deployment's folder (default: output/ of the project)");
  command->add_option("--name", options->image.name, "Name of the image (default: the role, or the file's name)");
  command->add_option("--method", options->way, "direct: blocks straight into a snapshot; import: through a bucket of S3")
      ->transform(CLI::CheckedTransformer(kWays).description("direct|import"));
  command->add_option("--bucket", options->bucket, "Bucket for --method import");
  command->add_option("--import-role", options->service_role, "Role by which EC2 reads the bucket (default: vmimport)");
  command->add_option("--kms-key", options->encryption.kms_key, "ARN of the key to encrypt with (default: the account's key for EBS)");
  command->add_flag_callback("--no-encryption", [options] { options->encryption.wanted = Encryption::Wanted::no; }, "Don't encrypt the snapshot");
  command->add_option("--copy-to", options->copy_to, "Copy it to this region too, may be repeated; REGION=ARN: encrypted with that key (default: the account's key for EBS there)")->allow_extra_args(false);
  command->add_option("--share-with", options->share_with, "Let this account start it, may be repeated")->allow_extra_args(false);
  add_ami_options(*command, *options);
  command->callback([options, &session] { Upload(session, *options).run(); });
}

}  // namespace imgbuild
