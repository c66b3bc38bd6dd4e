#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/ops_files.h"

namespace imgbuild {
namespace {

using Json = nlohmann::ordered_json;

/// Logical ids are letters and digits: "MachineprodX2ds1". Of the name alone, so that a machine keeps its group when others come and go;
/// names have no large letters, so that no two meet.
std::string logical_id(const std::string& name) {
  std::string id = "Machine";
  for (const char c : name) id += c == '-' ? std::string("X2d") : std::string(1, c);
  return id;
}

Json ingress_of(const OpsInput& input, const std::string& machine) {
  Json list = Json::array();
  for (const IngressRule& rule : ingress_rules(input)) {
    if (rule.machine != machine) continue;
    const bool is_ipv6 = rule.network.find(':') != std::string::npos;
    list.push_back({{"IpProtocol", rule.protocol}, {"FromPort", rule.port}, {"ToPort", rule.to_port}, {is_ipv6 ? "CidrIpv6" : "CidrIp", rule.network},
                    {"Description", rule.description}});
  }
  return list;
}

Json group(const OpsInput& input, const Machine& machine) {
  const Json egress = Json::array({{{"IpProtocol", "-1"}, {"CidrIp", "0.0.0.0/0"}}, {{"IpProtocol", "-1"}, {"CidrIpv6", "::/0"}}});
  const Json tags = Json::array({{{"Key", "Name"}, {"Value", machine.name}},
                                 {{"Key", "imgbuild:machine"}, {"Value", input.environment.deployment + "/" + machine.name}}});
  return {{"Type", "AWS::EC2::SecurityGroup"},
          {"Properties",
           {{"GroupName", security_group_name(input.environment, machine)},
            {"GroupDescription", fmt::format("{} of {}", machine.role, input.environment.deployment)},
            {"VpcId", {{"Ref", "Vpc"}}},
            {"SecurityGroupIngress", ingress_of(input, machine.name)},
            {"SecurityGroupEgress", egress},
            {"Tags", tags}}}};
}

void add_backup(Json& resources, const std::string& name) {
  Json rules = Json::array();
  for (const BackupRule& rule : kBackupRules) {
    rules.push_back({{"RuleName", rule.name}, {"TargetBackupVault", {{"Ref", "BackupVault"}}}, {"ScheduleExpression", rule.schedule},
                     {"StartWindowMinutes", kBackupStartWindow}, {"CompletionWindowMinutes", kBackupCompletionWindow},
                     {"Lifecycle", {{"DeleteAfterDays", rule.days}}}});
  }
  const Json statement = {{"Effect", "Allow"}, {"Principal", {{"Service", "backup.amazonaws.com"}}}, {"Action", "sts:AssumeRole"}};
  // A stack that is deleted must not take the backups with it.
  resources["BackupVault"] = {{"Type", "AWS::Backup::BackupVault"}, {"DeletionPolicy", "Retain"}, {"UpdateReplacePolicy", "Retain"},
                              {"Properties", {{"BackupVaultName", name}}}};
  resources["BackupPlan"] = {{"Type", "AWS::Backup::BackupPlan"}, {"Properties", {{"BackupPlan", {{"BackupPlanName", name}, {"BackupPlanRule", rules}}}}}};
  resources["BackupRole"] = {{"Type", "AWS::IAM::Role"},
                             {"Properties",
                              {{"AssumeRolePolicyDocument", {{"Version", "2012-10-17"}, {"Statement", Json::array({statement})}}},
                               {"ManagedPolicyArns", Json::array({"arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"})}}}};
  const Json tag = {{"ConditionType", "STRINGEQUALS"}, {"ConditionKey", "backup-normal"}, {"ConditionValue", "true"}};
  resources["BackupSelection"] = {{"Type", "AWS::Backup::BackupSelection"},
                                  {"Properties",
                                   {{"BackupPlanId", {{"Ref", "BackupPlan"}}},
                                    {"BackupSelection",
                                     {{"SelectionName", "backup-normal"},
                                      {"IamRoleArn", {{"Fn::GetAtt", Json::array({"BackupRole", "Arn"})}}},
                                      {"ListOfTags", Json::array({tag})}}}}}};
}

}  // namespace

std::string ops_cloudformation(const OpsInput& input) {
  Json resources = Json::object();
  for (const Machine& machine : input.environment.machines) {
    if (machine.external == Machine::External::no) resources[logical_id(machine.name)] = group(input, machine);
  }
  add_backup(resources, backup_name(input.environment));
  const Json root = {{"AWSTemplateFormatVersion", "2010-09-09"},
                     {"Description", "Security groups and backups of " + input.environment.deployment + ", made by imgbuild ops"},
                     {"Parameters", {{"Vpc", {{"Type", "AWS::EC2::VPC::Id"}, {"Description", "VPC of the deployment"}}}}},
                     {"Resources", resources}};
  return root.dump(2) + "\n";
}

}  // namespace imgbuild
