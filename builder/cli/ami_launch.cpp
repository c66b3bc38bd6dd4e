#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "build/outputs.h"
#include "cli/ami.h"
#include "cli/deployment_options.h"
#include "cli/find_machine.h"
#include "cli/launch_image.h"
#include "publish/launch.h"
#include "publish/snapshot_upload.h"
#include "recipe/address.h"
#include "recipe/read.h"
#include "seed/seed.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

enum class SeedWay { volume, user_data };
const std::map<std::string, SeedWay> kSeedWays = {{"volume", SeedWay::volume}, {"user-data", SeedWay::user_data}};

struct LaunchOptions : AmiOptions {
  fs::path environment;
  fs::path output_root;
  std::vector<std::string> machines;
  std::string ami;
  std::string type;
  std::string subnet;
  std::vector<std::string> groups;
  std::string kms_key;
  SeedWay seed = SeedWay::volume;
  enum class Dry { no, yes } dry = Dry::no;
};

/// The files that a seed carries, the longest first: "/etc/appliance/env.yml 3.1 KiB".
std::string largest_files(const SeedFiles& seed) {
  const yaml::Node root = yaml::read_or_throw(seed.user_data.reveal(), "user-data");
  std::vector<std::pair<std::size_t, std::string>> files;
  const yaml::Node* list = yaml::find(root, "write_files");
  for (const yaml::Node& item : list == nullptr ? std::vector<yaml::Node>{} : list->items) {
    const yaml::Node* path = yaml::find(item, "path");
    const yaml::Node* content = yaml::find(item, "content");
    if (path != nullptr && content != nullptr) files.emplace_back(content->text.size() * 3 / 4, path->text);
  }
  std::ranges::sort(files, std::greater{});
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, files.size()); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", files[i].second, format_byte_size({files[i].first}));
  }
  return text;
}

class Starter {
 public:
  Starter(Session& session, const LaunchOptions& options) : session_(session), options_(options), project_(find_project()) {
    Problems problems;
    environment_ = read_environment(project_, options.environment, problems);
    problems.throw_if_any();
    for (const std::string& name : options.machines) machines_.push_back(ours(name));
    if (machines_.empty()) {
      std::ranges::copy_if(environment_.machines, std::back_inserter(machines_), [](const Machine& machine) { return machine.external == Machine::External::no; });
    }
    for (const Machine& machine : machines_) (void)seed_file(machine);
  }

  void run() {
    AmiSession session(session_, options_);
    Aws& aws = session.in_the_one();
    const Subnet subnet = get_subnet(aws, options_.subnet);
    std::vector<Launch> launches;  // what can be wrong is found before the first is started
    for (const Machine& machine : machines_) launches.push_back(prepare(aws, subnet, machine));
    if (options_.dry == LaunchOptions::Dry::no) check_permission(aws, launches);
    for (Launch& launch : launches) start(aws, launch);
  }

 private:
  Machine ours(const std::string& name) const {
    const Machine& machine = require_machine(environment_, name);
    if (machine.external == Machine::External::no) return machine;
    throw Error(ExitCode::bad_input, "{}: machine '{}' is external: somebody else builds and starts it", environment_.file.native(), name);
  }

  fs::path seed_file(const Machine& machine) const {
    const fs::path path = seed_path(folder(), machine.name);
    if (fs::is_regular_file(path)) return path;
    throw Error(ExitCode::bad_input, "{}: there is no seed of '{}' yet", path.native(), machine.name)
        .set_hint(fmt::format("imgbuild seed --env {}", environment_.file.native()));
  }

  fs::path folder() const { return output_root_or_default(project_, options_.output_root) / environment_.deployment; }

  /// Asked for once a role.
  const Ami& image(Aws& aws, const std::string& role) {
    const auto found = images_.find(role);
    if (found != images_.end()) return found->second;
    const WantedImage wanted = {.role = role, .manifest = manifest_path(folder(), role), .environment = environment_.file};
    return images_.emplace(role, options_.ami.empty() ? choose_image(aws, wanted) : require_image(aws, options_.ami)).first->second;
  }

  std::vector<std::string> groups(Aws& aws, const Subnet& subnet, const Machine& machine) const {
    if (!options_.groups.empty()) return options_.groups;
    return {get_group(aws, subnet.vpc, environment_.deployment + "-" + machine.name)};
  }

  Secret packed_user_data(const Machine& machine, const SeedFiles& seed) const {
    const CommandResult packed = run_checked(session_.runner(), {.program = "gzip", .arguments = {"-9nc"}, .input = seed.user_data.reveal()});
    if (packed.out.size() > kMostUserData) {
      throw Error(ExitCode::bad_input, "{}: user-data is {} bytes packed, and EC2 takes {}; largest: {}", seed_file(machine).native(), packed.out.size(), kMostUserData,
                  largest_files(seed))
          .set_hint("--seed volume has no limit");
    }
    return Secret(to_base64(packed.out));
  }

  /// The allocation id of the machine's public address; empty if it has none. One that another machine has, as after a promotion, is not
  /// taken away from it: voters may be there.
  std::string elastic_ip(Aws& aws, const Machine& machine) const {
    if (machine.public_ip.empty()) return "";
    const std::optional<Allocation> found = find_allocation(aws, machine.public_ip);
    if (!found) {
      throw Error(ExitCode::bad_input, "{}: machine '{}' has the public address {}, which is no Elastic IP of this account in {}", environment_.file.native(),
                  machine.name, machine.public_ip, aws.region())
          .set_hint("aws ec2 describe-addresses shows them");
    }
    if (found->instance.empty()) return found->id;
    const std::optional<InstanceFacts> own = find_instance(aws, environment_.deployment + "/" + machine.name);
    if (own && own->id == found->instance) return found->id;
    throw Error(ExitCode::bad_input, "{}: machine '{}' has the public address {}, which {} has now", environment_.file.native(), machine.name, machine.public_ip,
                found->instance)
        .set_hint(fmt::format("take 'public_ip' of '{}' out; or, to move the address, aws ec2 disassociate-address first", machine.name));
  }

  /// The machine's disk in GiB; 0: as large as the image. EC2 starts none on a volume that is smaller than the image.
  std::uint64_t volume_gib(Aws& aws, const Machine& machine, const Ami& ami) const {
    if (!machine.disk) return 0;
    const std::uint64_t wanted = (machine.disk->bytes + (1ULL << 30) - 1) >> 30;
    for (const std::string& id : ami.snapshots) {
      const std::optional<SnapshotFacts> snapshot = find_snapshot(aws, id);
      if (!snapshot || snapshot->volume_gib <= wanted) continue;
      throw Error(ExitCode::bad_input, "{}: machine '{}' has a disk of {}, and the image {} has {} GiB", environment_.file.native(), machine.name,
                  format_byte_size(*machine.disk), ami.id, snapshot->volume_gib)
          .set_hint(fmt::format("raise the machine's 'disk:' to {} GiB or more", snapshot->volume_gib));
    }
    return wanted;
  }

  void require_in_subnet(const Subnet& subnet, const Machine& machine) const {
    const std::optional<Cidr> network = parse_cidr(subnet.cidr);
    const std::optional<IpAddress> address = parse_ip(machine.private_ip);
    if (!network || !address || !contains(*network, *address)) {
      throw Error(ExitCode::bad_input, "{}: machine '{}' has the address {}, which is not in subnet {} ({})", environment_.file.native(), machine.name,
                  machine.private_ip, options_.subnet, subnet.cidr);
    }
  }

  Launch prepare(Aws& aws, const Subnet& subnet, const Machine& machine) {
    require_in_subnet(subnet, machine);
    const SeedFiles seed = read_seed(seed_file(machine));
    Launch launch = {.deployment = environment_.deployment, .machine = machine.name, .role = machine.role, .ami = {},
                     .type = options_.type.empty() ? instance_type_for(machine.memory.value_or(kDefaultMemory), machine.cpus.value_or(1)) : options_.type,
                     .subnet = options_.subnet, .private_ip = machine.private_ip, .public_ip = machine.public_ip,
                     .allocation = elastic_ip(aws, machine), .groups = groups(aws, subnet, machine),
                     .volume_gib = 0, .seed_snapshot = {}, .token = {}, .user_data = {}};
    if (options_.seed == SeedWay::user_data) launch.user_data = packed_user_data(machine, seed);
    const Ami& ami = image(aws, machine.role);  // the last: it says which
    launch.ami = ami.id;
    launch.volume_gib = volume_gib(aws, machine, ami);
    return launch;
  }

  /// Of each machine by itself: what is allowed may depend on its type, subnet, groups and tags.
  void check_permission(Aws& aws, const std::vector<Launch>& launches) const {
    for (const Launch& launch : launches) {
      if (find_instance(aws, launch.tag()) || ec2_dry_run(aws, "RunInstances", launch_parameters(launch)) == Allowed::yes) continue;
      throw Error(ExitCode::network, "{}: these credentials may not do ec2:RunInstances for '{}'", aws.region(), launch.machine)
          .set_hint("imgbuild ami policy --launch prints what they must be allowed to do");
    }
  }

  void print_calls(const Launch& launch) {
    if (options_.seed == SeedWay::volume) session_.print(fmt::format("StartSnapshot, PutSnapshotBlock, CompleteSnapshot: seed of {}, encrypted, 1 GiB", launch.machine));
    Launch shown = launch;
    if (options_.seed == SeedWay::volume) shown.seed_snapshot = "snap-of-the-seed";
    session_.print("RunInstances: " + launch.machine);
    for (const auto& [name, value] : launch_parameters(shown)) {
      session_.print(fmt::format("  {}={}", name, name == "UserData" ? "***" : value));
    }
    if (!launch.public_ip.empty()) session_.print(fmt::format("AssociateAddress: {} with {}", launch.public_ip, launch.machine));
    if (options_.seed == SeedWay::volume) session_.print("DeleteSnapshot: seed of " + launch.machine);
  }

  void start(Aws& aws, Launch& launch) {
    if (options_.dry == LaunchOptions::Dry::yes) return print_calls(launch);
    const PublishState state(aws.region());
    const std::string name = fmt::format("seed-{}-{}", launch.deployment, launch.machine);
    UploadJournal journal(state.journal(name), [&] { session_.status().note("another imgbuild starts this machine; waiting"); });
    const InstanceFacts instance = wait_for_instance(aws, take_or_start(aws, state, journal, launch));
    const bool has_ended = instance.state == "shutting-down" || instance.state == "terminated";
    if (!has_ended && !launch.allocation.empty()) associate_address(aws, instance.id, launch.allocation);
    // The seed's snapshot is secret as the seed is: it goes as soon as the machine has its volume.
    if (journal.record()) (void)discard_upload(aws, journal);
    if (has_ended) throw Error(ExitCode::network, "{}: AWS says that {} is {}: {}", launch.machine, instance.id, instance.state, instance.reason);
    if (instance.state != "running") session_.status().note(fmt::format("{} is {}", launch.machine, instance.state));
    session_.print(launch.machine + " " + instance.id);
  }

  /// The id of the machine that is there, or of a new one.
  std::string take_or_start(Aws& aws, const PublishState& state, UploadJournal& journal, Launch& launch) {
    if (const std::optional<InstanceFacts> found = find_instance(aws, launch.tag())) {
      session_.status().note(fmt::format("{} is there already", launch.machine));
      return found->id;
    }
    std::optional<std::string> id = start_anew(aws, state, journal, launch);
    if (!id) {  // by a run that was cut: what that left is of no use
      (void)discard_upload(aws, journal);
      id = start_anew(aws, state, journal, launch);
    }
    if (!id) throw Error(ExitCode::network, "RunInstances: AWS says of a new client token that it was used before");
    return *std::move(id);
  }

  /// With the token in the journal, so that a run that is cut and the next start one machine.
  std::optional<std::string> start_anew(Aws& aws, const PublishState& state, UploadJournal& journal, Launch& launch) {
    if (options_.seed == SeedWay::volume) {
      launch.seed_snapshot = upload_seed(aws, state, journal, launch);
    } else if (!journal.record()) {
      journal.begin({.token = new_token()});
    }
    launch.token = journal.record()->token;
    try {
      return start_instance(aws, launch);
    } catch (const AwsError&) {  // it was not started, so that nobody needs its seed
      if (options_.seed == SeedWay::volume) (void)discard_upload(aws, journal);
      throw;
    }
  }

  std::string upload_seed(Aws& aws, const PublishState& state, UploadJournal& journal, const Launch& launch) {
    const std::string name = fmt::format("seed-{}-{}", launch.deployment, launch.machine);
    const fs::path iso = seed_file(require_machine(environment_, launch.machine));
    const BlockMap map = scan_disk(iso, session_.status());
    const Encryption encryption = {.wanted = Encryption::Wanted::yes, .kms_key = options_.kms_key};
    return upload_snapshot(aws, state, journal, {.name = name, .disk = iso, .map = map, .encryption = encryption, .tags = {{"Name", name}}}).snapshot;
  }

  Session& session_;
  const LaunchOptions& options_;
  Project project_;
  Environment environment_;
  std::vector<Machine> machines_;
  std::map<std::string, Ami> images_;
};

}  // namespace

void add_ami_launch(CLI::App& ami, Session& session) {
  const auto options = std::make_shared<LaunchOptions>();
  CLI::App* command = ami.add_subcommand("launch", "Starts machines of a deployment, each with its seed");
  command->add_option("MACHINE", options->machines, "Machines (default: all that are ours)");
  add_deployment_options(*command, options->environment, options->output_root);
  command->add_option("--subnet", options->subnet, "Subnet of the internal network")->required();
  command->add_option("--security-group", options->groups, "Id of a security group, may be repeated (default: the one named DEPLOYMENT-MACHINE)")->allow_extra_args(false);
  command->add_option("--ami", options->ami, "Image (default: the newest of the role; one of the plan in the output folder first)");
  command->add_option("--type", options->type, "Instance type (default: by the machine's memory and cpus)");
  command->add_option("--kms-key", options->kms_key, "ARN of the key for the seed's volume (default: the account's key for EBS)");
  command->add_option("--seed", options->seed, "volume: a small encrypted volume; user-data: at most 16 KiB, and readable for whoever may describe the machine")
      ->transform(CLI::CheckedTransformer(kSeedWays).description("volume|user-data"));
  command->add_flag_callback("--dry-run", [options] { options->dry = LaunchOptions::Dry::yes; }, "Print the calls, make nothing");
  add_ami_options(*command, *options);
  command->callback([options, &session] { Starter(session, *options).run(); });
}

}  // namespace imgbuild
