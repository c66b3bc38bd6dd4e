#include <nlohmann/json.hpp>

#include "cli/ami.h"
#include "cli/copy_target.h"
#include "cli/table.h"
#include "publish/ami.h"
#include "publish/endpoint.h"
#include "publish/policy.h"
#include "publish/snapshot_upload.h"
#include "util/error.h"

namespace imgbuild {
namespace {

using Json = nlohmann::ordered_json;

struct ImageOptions : AmiOptions {
  std::vector<std::string> amis;
  std::vector<std::string> accounts;
  std::vector<std::string> copy_to;
  std::string kms_key;
  enum class All { no, yes } all = All::no;
};

void list(Session& session, const ImageOptions& options) {
  AmiSession aws(session, options);
  std::vector<std::vector<std::string>> rows = {{"region", "image", "role", "state", "created", "plan"}};
  Json all = Json::array();
  for (const std::string& region : regions_of(options)) {
    for (const Ami& ami : list_amis(aws.in(region))) {
      rows.push_back({region, ami.id, ami.tag(kRoleTag), ami.state, ami.created, ami.tag(kPlanTag).substr(0, 12)});
      all.push_back({{"region", region}, {"ami", ami.id}, {"name", ami.name}, {"state", ami.state}, {"created", ami.created}, {"role", ami.tag(kRoleTag)},
                     {"plan", ami.tag(kPlanTag)}, {"snapshots", ami.snapshots}});
    }
  }
  if (session.output == Session::Output::json) return session.print(Json{{"images", all}}.dump());
  for (const std::string& line : table_lines(rows)) session.print(line);
}

void remove(Session& session, const ImageOptions& options) {
  AmiSession aws(session, options);
  std::vector<Ami> amis;  // all are looked up before any is deleted
  for (const std::string& id : options.amis) {
    amis.push_back(get_ami(aws.in_the_one(), id));
    if (amis.back().tag(kRoleTag).empty()) {
      throw Error(ExitCode::bad_input, "{}: imgbuild did not make this image", id).set_hint("aws ec2 deregister-image deletes others");
    }
  }
  for (const Ami& ami : amis) {
    for (const std::string& gone : delete_ami(aws.in_the_one(), ami)) session.print(gone);
  }
}

void copy(Session& session, const ImageOptions& options) {
  AmiSession aws(session, options);
  Aws& from = aws.in_the_one();
  std::vector<CopyTarget> targets;
  for (const std::string& text : options.copy_to) targets.push_back(read_copy_target(text, {.wanted = Encryption::Wanted::yes, .kms_key = options.kms_key}));
  for (const std::string& id : options.amis) {
    const Ami ami = get_ami(from, id);
    std::vector<std::string> copies;  // all are made at once
    for (const CopyTarget& target : targets) copies.push_back(begin_copy(from, aws.in(target.region), ami, target.encryption));
    for (std::size_t i = 0; i < targets.size(); ++i) {
      finish_copy(aws.in(targets[i].region), copies[i], ami, targets[i].encryption);
      session.print(targets[i].region + " " + copies[i]);
    }
  }
}

void share(Session& session, const ImageOptions& options) {
  require_accounts(options.accounts);
  AmiSession aws(session, options);
  for (const std::string& id : options.amis) share_ami(aws.in_the_one(), get_ami(aws.in_the_one(), id), options.accounts);
}

struct Busy {};

/// What cut uploads of this host left; another run's that goes on is left alone. True if one does.
bool collect_journals(Session& session, Aws& aws) {
  bool goes_on = false;
  const PublishState state(aws.region());
  for (const std::string& name : state.journals()) {
    try {
      UploadJournal journal(state.journal(name), [] { throw Busy{}; });
      if (!journal.record()) continue;
      for (const std::string& gone : discard_upload(aws, journal)) session.print(gone);
    } catch (const Busy&) {
      goes_on = true;
      session.status().note(fmt::format("{}: an upload of '{}' goes on; left alone", aws.region(), name));
    }
  }
  return goes_on;
}

/// What uploads of other hosts left, or are about to end: who asks for all must know that none goes on.
void collect_strangers(Session& session, Aws& aws, ImageOptions::All all) {
  const std::set<std::string> of_images = snapshots_of_images(aws);
  for (const SnapshotFacts& facts : find_snapshots(aws, kUploadTag, "")) {
    if (of_images.contains(facts.id)) continue;
    if (all == ImageOptions::All::yes) {
      if (delete_snapshot(aws, facts.id) == Deleted::yes) session.print(facts.id);
      continue;
    }
    const std::string what = facts.state == "pending" ? "is unfinished, of an upload that this host does not know" : "belongs to no image";
    session.status().note(fmt::format("{}: {} {}; --all deletes it", aws.region(), facts.id, what));
  }
}

void collect(Session& session, const ImageOptions& options) {
  AmiSession aws(session, options);
  for (const std::string& region : regions_of(options)) {
    if (collect_journals(session, aws.in(region))) {
      session.status().note(fmt::format("{}: while an upload goes on, nothing of other hosts is looked for", region));
      continue;
    }
    collect_strangers(session, aws.in(region), options.all);
  }
}

/// A policy can be printed where no region is known.
std::string partition_at(const std::string& region) {
  const std::string known = region.empty() ? configured_region("").value_or("") : region;
  return known.empty() ? "aws" : partition_of(regions_of({.regions = {known}, .profile = {}}).front()).id;
}

void add_policy(CLI::App& ami, Session& session) {
  const auto request = std::make_shared<PolicyRequest>();
  const auto is_role = std::make_shared<bool>(false);
  const auto region = std::make_shared<std::string>();
  CLI::App* command = ami.add_subcommand("policy", "The exact IAM policy that these commands need");
  command->add_option("--region", *region, "Where it is for (default: AWS_REGION, or the profile's, or any but those of China and of governments)");
  command->add_option("--bucket", request->bucket, "For --method import, with this bucket");
  command->add_option("--kms-key", request->kms_keys, "For images encrypted with this key, may be repeated")->allow_extra_args(false);
  command->add_flag_callback("--launch", [request] { request->launch = PolicyRequest::Launch::yes; }, "For ami launch too");
  command->add_flag("--import-role", *is_role, "The policies of the role vmimport instead (with --bucket)");
  command->callback([request, is_role, region, &session] {
    if (*is_role && request->bucket.empty()) throw Error(ExitCode::usage, "--import-role needs --bucket");
    request->partition = partition_at(*region);
    session.print(*is_role ? import_role_policies(*request) : iam_policy(*request));
  });
}

using Work = void (*)(Session&, const ImageOptions&);

CLI::App* add(CLI::App& ami, Session& session, const std::string& name, const std::string& help, const std::shared_ptr<ImageOptions>& options, Work work) {
  CLI::App* command = ami.add_subcommand(name, help);
  add_ami_options(*command, *options);
  command->callback([options, work, &session] { work(session, *options); });
  return command;
}

}  // namespace

void add_ami_images(CLI::App& ami, Session& session) {
  const auto options = [] { return std::make_shared<ImageOptions>(); };
  (void)add(ami, session, "list", "The images that imgbuild made", options(), list);
  const auto of_delete = options();
  add(ami, session, "delete", "Deletes images and their snapshots", of_delete, remove)->add_option("AMI", of_delete->amis, "Images")->required();
  const auto of_copy = options();
  CLI::App* copying = add(ami, session, "copy", "Copies an image to other regions, encrypted", of_copy, copy);
  copying->add_option("AMI", of_copy->amis, "Images")->required();
  copying->add_option("--copy-to", of_copy->copy_to, "Region, may be repeated; REGION=ARN: encrypted with that key (default: the account's key for EBS there)")
      ->allow_extra_args(false)->required();
  copying->add_option("--kms-key", of_copy->kms_key, "Key of that region");
  const auto of_share = options();
  CLI::App* sharing = add(ami, session, "share", "Lets other accounts start an image", of_share, share);
  sharing->add_option("AMI", of_share->amis, "Images")->required();
  sharing->add_option("--share-with", of_share->accounts, "Account, 12 digits, may be repeated")->allow_extra_args(false)->required();
  const auto of_gc = options();
  add(ami, session, "gc", "Deletes what uploads that were cut left behind", of_gc, collect)
      ->add_flag_callback("--all", [of_gc] { of_gc->all = ImageOptions::All::yes; }, "Also what uploads of other hosts left: unfinished snapshots, and those that no image has");
  add_policy(ami, session);
}

}  // namespace imgbuild
