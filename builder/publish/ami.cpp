#include "publish/ami.h"

#include <algorithm>

#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace {

Ami read_ami(const XmlNode& item) {
  Ami ami = {.id = item.text_of("imageId"), .name = item.text_of("name"), .state = item.text_of("imageState"), .created = item.text_of("creationDate"),
             .tags = read_tags(item), .snapshots = {}};
  for (const XmlNode* device : item.items("blockDeviceMapping")) {
    const std::string snapshot = device->text_of("ebs/snapshotId");
    if (!snapshot.empty()) ami.snapshots.push_back(snapshot);
  }
  return ami;
}

std::vector<Ami> describe(Aws& aws, const Ec2Parameters& parameters) {
  std::vector<Ami> amis;
  for (const XmlNode& item : ec2_list(aws, "DescribeImages", parameters, "imagesSet")) {
    if (item.text_of("imageState") != "deregistered") amis.push_back(read_ami(item));
  }
  std::ranges::sort(amis, {}, [](const Ami& ami) { return std::pair(ami.created, ami.id); });
  return amis;
}

Ec2Parameters registration_parameters(const Registration& registration) {
  constexpr const char* kRoot = "/dev/sda1";  // as Ubuntu names it; inside it is an NVMe disk, found by its file system's id
  return {{"Name", registration.identity.name()},
          {"Description", "imgbuild " + registration.identity.role},
          {"Architecture", "x86_64"},
          {"VirtualizationType", "hvm"},
          {"EnaSupport", "true"},
          {"BootMode", registration.boot_mode},
          {"ImdsSupport", "v2.0"},
          {"RootDeviceName", kRoot},
          {"BlockDeviceMapping.1.DeviceName", kRoot},
          {"BlockDeviceMapping.1.Ebs.SnapshotId", registration.snapshot},
          {"BlockDeviceMapping.1.Ebs.VolumeSize", std::to_string(registration.volume_gib)},
          {"BlockDeviceMapping.1.Ebs.VolumeType", "gp3"},
          {"BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"}};
}

bool is_account(const std::string& text) {
  return text.size() == 12 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// What a call needs to be understood; it is only asked whether it would be allowed.
Ec2Parameters dry_parameters(const std::string& action) {
  if (action == "RegisterImage") {
    return {{"Name", "imgbuild-dry-run"}, {"RootDeviceName", "/dev/sda1"}, {"BlockDeviceMapping.1.DeviceName", "/dev/sda1"},
            {"BlockDeviceMapping.1.Ebs.SnapshotId", "snap-00000000000000000"}};
  }
  const std::string image = "ami-00000000000000000";
  if (action == "CopyImage") return {{"Name", "imgbuild-dry-run"}, {"SourceImageId", image}, {"SourceRegion", "us-east-1"}};
  if (action == "ModifyImageAttribute") return {{"ImageId", image}, {"LaunchPermission.Add.1.UserId", "000000000000"}};
  if (action == "ModifySnapshotAttribute") {
    return {{"SnapshotId", "snap-00000000000000000"}, {"Attribute", "createVolumePermission"}, {"OperationType", "add"}, {"UserId.1", "000000000000"}};
  }
  if (action == "CreateTags") return {{"ResourceId.1", "snap-00000000000000000"}, {"Tag.1.Key", "imgbuild:role"}, {"Tag.1.Value", "none"}};
  if (action == "DeleteSnapshot") return {{"SnapshotId", "snap-00000000000000000"}};
  if (action == "DescribeImages") return {{"Owner.1", "self"}};
  if (action == "DescribeSnapshots") return {{"Owner.1", "self"}};
  if (action == "ImportSnapshot") {
    return {{"DiskContainer.Format", "VMDK"}, {"DiskContainer.UserBucket.S3Bucket", "none"}, {"DiskContainer.UserBucket.S3Key", "none"},
            {"TagSpecification.1.ResourceType", "import-snapshot-task"}, {"TagSpecification.1.Tag.1.Key", kUploadTag}, {"TagSpecification.1.Tag.1.Value", "none"}};
  }
  return {};
}

}  // namespace

std::string AmiIdentity::name() const {
  const std::string end = encryption == "default" ? "" : "-" + sha256(encryption).substr(0, 8);
  return "imgbuild-" + role + "-" + disk.substr(0, 16) + end;
}

Tags AmiIdentity::tags() const {
  Tags tags = {{"Name", name()}, {kRoleTag, role}, {kDiskTag, disk}, {kEncryptionTag, encryption}};
  for (const std::string& served : roles) tags[kServesTag + served] = "true";
  if (!plan.empty()) tags[kPlanTag] = plan;
  if (!artifact.empty()) tags[kArtifactTag] = artifact;
  return tags;
}

std::vector<Ami> list_amis(Aws& aws, const std::string& tag, const std::string& value) {
  Ec2Parameters parameters = {{"Owner.1", "self"}};
  if (tag.empty()) {
    add_filter(parameters, 1, "tag-key", kRoleTag);
  } else {
    add_filter(parameters, 1, "tag:" + tag, value);
  }
  return describe(aws, parameters);
}

Ami get_ami(Aws& aws, const std::string& id) {
  Ec2Parameters parameters = {{"Owner.1", "self"}};
  add_filter(parameters, 1, "image-id", id);
  std::vector<Ami> found = describe(aws, parameters);
  if (found.empty()) throw Error(ExitCode::bad_input, "{}: there is no such image of ours in {}", id, aws.region()).set_hint("imgbuild ami list shows them");
  return found.front();
}

std::optional<Ami> find_ami(Aws& aws, const std::string& name) {
  Ec2Parameters parameters = {{"Owner.1", "self"}};
  add_filter(parameters, 1, "name", name);
  for (const Ami& ami : describe(aws, parameters)) {
    if (ami.state == "available" || ami.state == "pending") return ami;
    if (ami.state == "failed") (void)ec2_call(aws, "DeregisterImage", {{"ImageId", ami.id}});
  }
  return std::nullopt;
}

std::set<std::string> snapshots_of_images(Aws& aws) {
  std::set<std::string> snapshots;
  for (const Ami& ami : describe(aws, {{"Owner.1", "self"}})) snapshots.insert(ami.snapshots.begin(), ami.snapshots.end());
  return snapshots;
}

void tag_resources(Aws& aws, const std::vector<std::string>& ids, const Tags& tags) {
  Ec2Parameters parameters;
  for (std::size_t i = 0; i < ids.size(); ++i) parameters.emplace_back(fmt::format("ResourceId.{}", i + 1), ids[i]);
  add_tags(parameters, "Tag", tags);
  (void)ec2_call(aws, "CreateTags", parameters);
}

void wait_for_ami(Aws& aws, const std::string& id) {
  aws.status().begin("waiting for " + id);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::hours(2);
  for (Poll poll;; poll.wait()) {
    Ec2Parameters parameters = {{"Owner.1", "self"}};
    add_filter(parameters, 1, "image-id", id);
    const std::vector<Ami> found = describe(aws, parameters);
    const std::string state = found.empty() ? "pending" : found.front().state;
    if (state == "available") break;
    if (state != "pending") throw Error(ExitCode::network, "{}: AWS says that the image is {}", id, state);
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(ExitCode::network, "{}: is not available after two hours", id).set_hint("run the same command again to go on waiting");
    }
  }
  aws.status().end("");
}

std::string register_ami(Aws& aws, const Registration& registration) {
  std::string id;
  try {
    id = ec2_call(aws, "RegisterImage", registration_parameters(registration)).text_of("imageId");
  } catch (const AwsError& error) {
    // The answer to an attempt before was lost, or another run was faster.
    const std::optional<Ami> found = error.aws_code() == "InvalidAMIName.Duplicate" ? find_ami(aws, registration.identity.name()) : std::nullopt;
    if (!found) throw;
    id = found->id;
  }
  tag_resources(aws, {id, registration.snapshot}, registration.identity.tags());
  wait_for_ami(aws, id);
  return id;
}

namespace {

bool has_another_image(Aws& aws, const std::string& snapshot, const std::string& gone) {
  Ec2Parameters parameters = {{"Owner.1", "self"}};
  add_filter(parameters, 1, "block-device-mapping.snapshot-id", snapshot);
  return std::ranges::any_of(describe(aws, parameters), [&](const Ami& ami) { return ami.id != gone; });
}

/// AWS holds the snapshots of an image that is gone for some time yet.
Deleted delete_released(Aws& aws, const std::string& snapshot, const std::string& gone) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  for (Poll poll;; poll.wait()) {
    const Deleted deleted = delete_snapshot(aws, snapshot);
    if (deleted != Deleted::in_use || has_another_image(aws, snapshot, gone)) return deleted;
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(ExitCode::network, "{}: {} is gone, but AWS still holds its snapshot", snapshot, gone).set_hint("imgbuild ami gc --all deletes it later");
    }
  }
}

void require_encrypted_so(Aws& aws, const Ami& ami, const Encryption& encryption) {
  const std::string other = ami.tag(kEncryptionTag);
  if (other.empty() || other == encryption.text()) return;  // one without was cut before it was tagged
  throw Error(ExitCode::bad_input, "{}: {} is a copy of it with another encryption ({}), under the same name", aws.region(), ami.id, other)
      .set_hint("imgbuild ami delete deletes it");
}

}  // namespace

std::vector<std::string> delete_ami(Aws& aws, const Ami& ami) {
  std::vector<std::string> gone = {ami.id};
  (void)ec2_call(aws, "DeregisterImage", {{"ImageId", ami.id}});
  for (const std::string& snapshot : ami.snapshots) {
    if (delete_released(aws, snapshot, ami.id) == Deleted::yes) gone.push_back(snapshot);
  }
  return gone;
}

std::string begin_copy(Aws& from, Aws& to, const Ami& ami, const Encryption& encryption) {
  if (const std::optional<Ami> there = find_ami(to, ami.name)) {
    require_encrypted_so(to, *there, encryption);
    return there->id;
  }
  Ec2Parameters parameters = {{"Name", ami.name}, {"SourceImageId", ami.id}, {"SourceRegion", from.region()}, {"ClientToken", new_token()}};
  if (encryption.wanted == Encryption::Wanted::yes) parameters.emplace_back("Encrypted", "true");
  if (!encryption.kms_key.empty()) parameters.emplace_back("KmsKeyId", encryption.kms_key);
  try {
    return ec2_call(to, "CopyImage", parameters).text_of("imageId");
  } catch (const AwsError& error) {
    const std::optional<Ami> found = error.aws_code() == "InvalidAMIName.Duplicate" ? find_ami(to, ami.name) : std::nullopt;
    if (!found) throw;
    return found->id;
  }
}

void finish_copy(Aws& to, const std::string& id, const Ami& ami, const Encryption& encryption) {
  Tags tags = ami.tags;
  tags[kEncryptionTag] = encryption.text();
  tag_resources(to, {id}, tags);
  wait_for_ami(to, id);
  const std::vector<std::string> snapshots = get_ami(to, id).snapshots;
  if (!snapshots.empty()) tag_resources(to, snapshots, tags);
}

void require_accounts(const std::vector<std::string>& accounts) {
  for (const std::string& account : accounts) {
    if (!is_account(account)) throw Error(ExitCode::bad_input, "'{}' is no AWS account, which has 12 digits", account);
  }
}

void share_ami(Aws& aws, const Ami& ami, const std::vector<std::string>& accounts) {
  Ec2Parameters image = {{"ImageId", ami.id}};
  Ec2Parameters snapshot = {{"Attribute", "createVolumePermission"}, {"OperationType", "add"}};
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    image.emplace_back(fmt::format("LaunchPermission.Add.{}.UserId", i + 1), accounts[i]);
    snapshot.emplace_back(fmt::format("UserId.{}", i + 1), accounts[i]);
  }
  for (const std::string& id : ami.snapshots) {
    Ec2Parameters parameters = snapshot;
    parameters.emplace_back("SnapshotId", id);
    (void)ec2_call(aws, "ModifySnapshotAttribute", parameters);
  }
  (void)ec2_call(aws, "ModifyImageAttribute", image);
}

std::vector<std::string> forbidden_calls(Aws& aws, const std::vector<std::string>& actions) {
  std::vector<std::string> forbidden;
  for (const std::string& action : actions) {
    if (ec2_dry_run(aws, action, dry_parameters(action)) == Allowed::no) forbidden.push_back("ec2:" + action);
  }
  return forbidden;
}

}  // namespace imgbuild
