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

}  // namespace

std::string iam_policy(const PolicyRequest& request) {
  Json statements = Json::array();
  statements.push_back(allow("Blocks", {"ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"}, "arn:aws:ec2:*::snapshot/*"));
  statements.push_back(allow("Tags", {"ec2:CreateTags"}, {"arn:aws:ec2:*::snapshot/*", "arn:aws:ec2:*::image/*"}));
  statements.push_back(allow("Images", {"ec2:CopyImage", "ec2:DeleteSnapshot", "ec2:DeregisterImage", "ec2:DescribeImages", "ec2:DescribeSnapshots",
                                        "ec2:ModifyImageAttribute", "ec2:ModifySnapshotAttribute", "ec2:RegisterImage"}, "*"));
  if (!request.bucket.empty()) {
    statements.push_back(allow("Objects", {"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"}, fmt::format("arn:aws:s3:::{}/imgbuild/*", request.bucket)));
    statements.push_back(allow("Imports", {"ec2:DescribeImportSnapshotTasks", "ec2:ImportSnapshot"}, "*"));
  }
  if (!request.kms_key.empty()) {
    statements.push_back(allow("Key", {"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*"}, request.kms_key));
  }
  if (request.launch == PolicyRequest::Launch::yes) {
    statements.push_back(allow("Launch", {"ec2:AssociateAddress", "ec2:DescribeAddresses", "ec2:DescribeInstances", "ec2:DescribeSecurityGroups",
                                          "ec2:DescribeSubnets", "ec2:RunInstances"}, "*"));
    statements.push_back(allow("LaunchTags", {"ec2:CreateTags"}, {"arn:aws:ec2:*:*:instance/*", "arn:aws:ec2:*:*:volume/*"}));
  }
  return policy_of(statements).dump(2);
}

std::string import_role_policies(const std::string& bucket) {
  const Json trust = {{"Effect", "Allow"}, {"Principal", {{"Service", "vmie.amazonaws.com"}}}, {"Action", "sts:AssumeRole"},
                      {"Condition", {{"StringEquals", {{"sts:Externalid", "vmimport"}}}}}};
  Json access = Json::array();
  access.push_back(allow("Bucket", {"s3:GetBucketLocation", "s3:ListBucket"}, "arn:aws:s3:::" + bucket));
  access.push_back(allow("Disk", {"s3:GetObject"}, fmt::format("arn:aws:s3:::{}/imgbuild/*", bucket)));
  access.push_back(allow("Snapshots", {"ec2:CopySnapshot", "ec2:Describe*", "ec2:ModifySnapshotAttribute", "ec2:RegisterImage"}, "*"));
  return Json{{"trust", policy_of(Json::array({trust}))}, {"access", policy_of(access)}}.dump(2);
}

}  // namespace imgbuild
