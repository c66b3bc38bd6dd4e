#include "publish/launch.h"

#include "util/error.h"

namespace imgbuild {
namespace {

constexpr const char* kRootDevice = "/dev/sda1";
constexpr const char* kSeedDevice = "/dev/sdf";
constexpr std::chrono::minutes kMostWait{10};
constexpr std::chrono::seconds kSpreadTime{20};

struct InstanceType {
  const char* name;
  std::uint64_t memory_gib;
  unsigned cpus;
};
/// By price. Nitro, so that ENA and UEFI work.
constexpr InstanceType kTypes[] = {{"t3.micro", 1, 2},     {"t3.small", 2, 2},     {"t3.medium", 4, 2},    {"t3.large", 8, 2},      {"t3.xlarge", 16, 4},
                                   {"m6i.2xlarge", 32, 8}, {"m6i.4xlarge", 64, 16}, {"m6i.8xlarge", 128, 32}, {"m6i.16xlarge", 256, 64}};

/// The backup plan takes a machine whole: volumes with its tag would be backed up twice.
Tags tags_of(const Launch& launch, const std::string& kind) {
  Tags tags = {{"Name", launch.machine}, {kMachineTag, launch.tag()}, {"imgbuild:role", launch.role}};
  if (kind == "instance") tags[kBackupTag] = "true";
  return tags;
}

void add_devices(Ec2Parameters& parameters, const Launch& launch) {
  parameters.emplace_back("BlockDeviceMapping.1.DeviceName", kRootDevice);
  parameters.emplace_back("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true");
  if (launch.volume_gib > 0) parameters.emplace_back("BlockDeviceMapping.1.Ebs.VolumeSize", std::to_string(launch.volume_gib));
  parameters.emplace_back("BlockDeviceMapping.1.Ebs.VolumeType", "gp3");
  if (launch.seed_snapshot.empty()) return;
  parameters.emplace_back("BlockDeviceMapping.2.DeviceName", kSeedDevice);
  parameters.emplace_back("BlockDeviceMapping.2.Ebs.DeleteOnTermination", "true");
  parameters.emplace_back("BlockDeviceMapping.2.Ebs.SnapshotId", launch.seed_snapshot);
  parameters.emplace_back("BlockDeviceMapping.2.Ebs.VolumeType", "gp3");
}

void add_network(Ec2Parameters& parameters, const Launch& launch) {
  parameters.emplace_back("NetworkInterface.1.DeviceIndex", "0");
  parameters.emplace_back("NetworkInterface.1.SubnetId", launch.subnet);
  parameters.emplace_back("NetworkInterface.1.PrivateIpAddress", launch.private_ip);
  for (std::size_t i = 0; i < launch.groups.size(); ++i) {
    parameters.emplace_back(fmt::format("NetworkInterface.1.SecurityGroupId.{}", i + 1), launch.groups[i]);
  }
}

std::optional<InstanceFacts> first_instance(const XmlNode& answer) {
  for (const XmlNode* reservation : answer.items("reservationSet")) {
    for (const XmlNode* instance : reservation->items("instancesSet")) {
      return InstanceFacts{.id = instance->text_of("instanceId"), .state = instance->text_of("instanceState/name"), .reason = instance->text_of("stateReason/message")};
    }
  }
  return std::nullopt;
}

/// By a filter: an id that is news to the one asked would be refused, and ends nothing here.
std::optional<InstanceFacts> get_instance(Aws& aws, const std::string& id) {
  Ec2Parameters parameters;
  add_filter(parameters, 1, "instance-id", id);
  return first_instance(ec2_call(aws, "DescribeInstances", parameters));
}

/// An instance that was started moments ago may not be found by its tag yet.
std::optional<std::string> find_news(Aws& aws, const std::string& tag) {
  const auto deadline = std::chrono::steady_clock::now() + kSpreadTime;
  for (Poll poll;; poll.wait()) {
    if (const std::optional<InstanceFacts> found = find_instance(aws, tag)) return found->id;
    if (std::chrono::steady_clock::now() > deadline) return std::nullopt;
  }
}

}  // namespace

Ec2Parameters launch_parameters(const Launch& launch) {
  Ec2Parameters parameters = {{"ImageId", launch.ami}, {"InstanceType", launch.type}, {"MinCount", "1"}, {"MaxCount", "1"}};
  if (!launch.token.empty()) parameters.emplace_back("ClientToken", launch.token);
  add_devices(parameters, launch);
  add_network(parameters, launch);
  parameters.emplace_back("MetadataOptions.HttpTokens", "required");
  parameters.emplace_back("MetadataOptions.HttpPutResponseHopLimit", "1");
  parameters.emplace_back("MetadataOptions.HttpEndpoint", "enabled");
  int number = 0;
  for (const char* kind : {"instance", "volume"}) {
    const std::string prefix = fmt::format("TagSpecification.{}", ++number);
    parameters.emplace_back(prefix + ".ResourceType", kind);
    add_tags(parameters, prefix + ".Tag", tags_of(launch, kind));
  }
  if (!launch.user_data.empty()) parameters.emplace_back("UserData", launch.user_data.reveal());
  return parameters;
}

Subnet get_subnet(Aws& aws, const std::string& id) {
  Ec2Parameters parameters;
  add_filter(parameters, 1, "subnet-id", id);
  const XmlNode answer = ec2_call(aws, "DescribeSubnets", parameters);
  const std::vector<const XmlNode*> found = answer.items("subnetSet");
  if (found.empty()) throw Error(ExitCode::bad_input, "{}: there is no such subnet in {}", id, aws.region());
  return {.vpc = found.front()->text_of("vpcId"), .cidr = found.front()->text_of("cidrBlock")};
}

std::string get_group(Aws& aws, const std::string& vpc, const std::string& name) {
  Ec2Parameters parameters;
  add_filter(parameters, 1, "vpc-id", vpc);
  add_filter(parameters, 2, "group-name", name);
  const XmlNode answer = ec2_call(aws, "DescribeSecurityGroups", parameters);
  const std::vector<const XmlNode*> found = answer.items("securityGroupInfo");
  if (found.empty()) {
    throw Error(ExitCode::bad_input, "{}: there is no security group '{}' in {}", aws.region(), name, vpc)
        .set_hint("imgbuild ops writes the groups for Terraform and CloudFormation; or name one with --security-group");
  }
  return found.front()->text_of("groupId");
}

std::optional<InstanceFacts> find_instance(Aws& aws, const std::string& tag) {
  Ec2Parameters parameters;
  add_filter(parameters, 1, std::string("tag:") + kMachineTag, tag);
  parameters.emplace_back("Filter.2.Name", "instance-state-name");
  int number = 0;
  for (const char* state : {"pending", "running", "stopping", "stopped"}) {
    parameters.emplace_back(fmt::format("Filter.2.Value.{}", ++number), state);
  }
  return first_instance(ec2_call(aws, "DescribeInstances", parameters));
}

std::optional<std::string> start_instance(Aws& aws, const Launch& launch) {
  try {
    const XmlNode answer = ec2_call(aws, "RunInstances", launch_parameters(launch));
    const std::vector<const XmlNode*> started = answer.items("instancesSet");
    if (started.empty()) throw Error(ExitCode::network, "RunInstances: the answer names no instance");
    return started.front()->text_of("instanceId");
  } catch (const AwsError& error) {
    if (error.aws_code() == "IdempotentInstanceTerminated") return std::nullopt;
    if (error.aws_code() != "IdempotentParameterMismatch") throw;
  }
  std::optional<std::string> found = find_news(aws, launch.tag());
  if (found) aws.status().note(fmt::format("{} was started before, with other parameters", launch.machine));
  return found;
}

InstanceFacts wait_for_instance(Aws& aws, const std::string& id) {
  aws.status().begin("waiting for " + id);
  const auto deadline = std::chrono::steady_clock::now() + kMostWait;
  for (Poll poll;; poll.wait()) {
    const InstanceFacts facts = get_instance(aws, id).value_or(InstanceFacts{.id = id, .state = "pending", .reason = {}});
    if (facts.state != "pending" && facts.state != "stopping") {
      aws.status().end(facts.state);
      return facts;
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(ExitCode::network, "{}: is still {} after ten minutes", id, facts.state).set_hint("run the same command again to go on waiting");
    }
  }
}

std::optional<Allocation> find_allocation(Aws& aws, const std::string& public_ip) {
  Ec2Parameters parameters;
  add_filter(parameters, 1, "public-ip", public_ip);
  const XmlNode answer = ec2_call(aws, "DescribeAddresses", parameters);
  const std::vector<const XmlNode*> found = answer.items("addressesSet");
  if (found.empty()) return std::nullopt;
  return Allocation{.id = found.front()->text_of("allocationId"), .instance = found.front()->text_of("instanceId")};
}

void associate_address(Aws& aws, const std::string& instance, const std::string& allocation) {
  (void)ec2_call(aws, "AssociateAddress", {{"AllocationId", allocation}, {"InstanceId", instance}});
}

std::string instance_type_for(ByteSize memory, unsigned cpus) {
  for (const InstanceType& type : kTypes) {
    if (memory <= ByteSize{type.memory_gib << 30} && cpus <= type.cpus) return type.name;
  }
  throw Error(ExitCode::bad_input, "no instance type is known with {} and {} processors", format_byte_size(memory), cpus).set_hint("name one with --type");
}

}  // namespace imgbuild
