#include "publish/policy.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace imgbuild {
namespace {

using Json = nlohmann::ordered_json;

Json allow(const std::string& id, const std::vector<std::string>& actions, const Json& resource) {
  return {{"Sid", id}, {"Effect", "Allow"}, {"Action", actions}, {"Resource", resource}};
}

Json policy_of(const Json& statements) { return {{"Version", "2012-10-17"}, {"Statement", statements}}; }

/// Writes the ARNs of a partition.
class Arns {
 public:
  explicit Arns(const PolicyRequest& request) : partition_(request.partition), bucket_(request.bucket) {}
  /// Of things of EC2 that have an account, or none ("snapshot", "image").
  [[nodiscard]] std::string of_account(const std::string& kind) const { return fmt::format("arn:{}:ec2:*:*:{}/*", partition_, kind); }
  [[nodiscard]] std::string of_nobody(const std::string& kind) const { return fmt::format("arn:{}:ec2:*::{}/*", partition_, kind); }
  [[nodiscard]] std::string bucket() const { return fmt::format("arn:{}:s3:::{}", partition_, bucket_); }
  [[nodiscard]] std::string objects() const { return bucket() + "/imgbuild/*"; }

 private:
  std::string partition_;
  std::string bucket_;
};

void add_import(Json& statements, const Arns& arns) {
  statements.push_back(allow("Objects", {"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject"}, arns.objects()));
  statements.push_back(allow("Bucket", {"s3:GetBucketLocation", "s3:ListBucketMultipartUploads"}, arns.bucket()));
  statements.push_back(allow("Imports", {"ec2:CancelImportTask", "ec2:DescribeImportSnapshotTasks", "ec2:ImportSnapshot"}, "*"));
  statements.push_back(allow("ImportTags", {"ec2:CreateTags"}, arns.of_account("import-snapshot-task")));
}

void add_keys(Json& statements, const std::vector<std::string>& keys) {
  statements.push_back(allow("Key", {"kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*"}, keys));
  Json grant = allow("Grant", {"kms:CreateGrant"}, keys);
  grant["Condition"] = {{"Bool", {{"kms:GrantIsForAWSResource", "true"}}}};  // by EBS for us, and by nobody else
  statements.push_back(grant);
}

void add_launch(Json& statements, const Arns& arns) {
  statements.push_back(allow("Launch", {"ec2:AssociateAddress", "ec2:DescribeAddresses", "ec2:DescribeInstances", "ec2:DescribeSecurityGroups",
                                        "ec2:DescribeSubnets", "ec2:RunInstances"}, "*"));
  statements.push_back(allow("LaunchTags", {"ec2:CreateTags"}, {arns.of_account("instance"), arns.of_account("volume")}));
}

}  // namespace

std::string iam_policy(const PolicyRequest& request) {
  const Arns arns(request);
  Json statements = Json::array();
  statements.push_back(allow("Blocks", {"ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"}, arns.of_nobody("snapshot")));
  statements.push_back(allow("Tags", {"ec2:CreateTags"}, {arns.of_nobody("snapshot"), arns.of_nobody("image")}));
  statements.push_back(allow("Images", {"ec2:CopyImage", "ec2:DeleteSnapshot", "ec2:DeregisterImage", "ec2:DescribeImages", "ec2:DescribeSnapshots",
                                        "ec2:ModifyImageAttribute", "ec2:ModifySnapshotAttribute", "ec2:RegisterImage"}, "*"));
  if (!request.bucket.empty()) add_import(statements, arns);
  if (!request.kms_keys.empty()) add_keys(statements, request.kms_keys);
  if (request.launch == PolicyRequest::Launch::yes) add_launch(statements, arns);
  return policy_of(statements).dump(2);
}

std::string import_role_policies(const PolicyRequest& request) {
  const Arns arns(request);
  const Json trust = {{"Effect", "Allow"}, {"Principal", {{"Service", "vmie.amazonaws.com"}}}, {"Action", "sts:AssumeRole"},
                      {"Condition", {{"StringEquals", {{"sts:Externalid", "vmimport"}}}}}};
  Json access = Json::array();
  access.push_back(allow("Bucket", {"s3:GetBucketLocation", "s3:ListBucket"}, arns.bucket()));
  access.push_back(allow("Disk", {"s3:GetObject"}, arns.objects()));
  access.push_back(allow("Snapshots", {"ec2:CopySnapshot", "ec2:Describe*", "ec2:ModifySnapshotAttribute", "ec2:RegisterImage"}, "*"));
  if (!request.kms_keys.empty()) {  // as VM Import's guide has it
    access.push_back(allow("Key", {"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"}, request.kms_keys));
  }
  return Json{{"trust", policy_of(Json::array({trust}))}, {"access", policy_of(access)}}.dump(2);
}

}  // namespace imgbuild
