#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/ops_files.h"

namespace imgbuild {
namespace {

using Json = nlohmann::ordered_json;

/// Terraform's names hold letters, digits, '_' and '-', and begin with a letter or '_'. A host name has no '_'.
std::string group_name(const std::string& machine) { return "m_" + machine; }

/// Of what the rule says, so that it keeps its name when others come and go: "m_prod-s1_tcp_443_198_51_100_7_32". A rule whose name
/// changes is made anew beside the old one, which AWS refuses as a duplicate.
std::string rule_name(const IngressRule& rule) {
  std::string network = rule.network;
  std::ranges::replace_if(network, [](char c) { return c == '.' || c == ':' || c == '/'; }, '_');
  const std::string code = rule.to_port == rule.port ? "" : fmt::format("_{}", rule.to_port);
  return fmt::format("{}_{}_{}{}_{}", group_name(rule.machine), rule.protocol, rule.port, code, network);
}

bool is_ipv6(const std::string& network) { return network.find(':') != std::string::npos; }

Json group(const OpsInput& input, const Machine& machine) {
  return {{"name", security_group_name(input.environment, machine)},
          {"description", fmt::format("{} of {}", machine.role, input.environment.deployment)},
          {"vpc_id", "${var.vpc_id}"},
          {"tags", {{"Name", machine.name}, {"imgbuild:machine", input.environment.deployment + "/" + machine.name}}}};
}

Json ingress(const IngressRule& rule) {
  return {{"security_group_id", fmt::format("${{aws_security_group.{}.id}}", group_name(rule.machine))},
          {"description", rule.description},
          {"ip_protocol", rule.protocol},
          {"from_port", rule.port},
          {"to_port", rule.to_port},
          {is_ipv6(rule.network) ? "cidr_ipv6" : "cidr_ipv4", rule.network}};
}

void add_groups(Json& resources, const OpsInput& input) {
  for (const Machine& machine : input.environment.machines) {
    if (machine.external == Machine::External::yes) continue;
    const std::string name = group_name(machine.name);
    resources["aws_security_group"][name] = group(input, machine);
    for (const char* version : {"ipv4", "ipv6"}) {
      resources["aws_vpc_security_group_egress_rule"][name + "_" + version] = {
          {"security_group_id", fmt::format("${{aws_security_group.{}.id}}", name)},
          {"ip_protocol", "-1"},
          {fmt::format("cidr_{}", version), std::string(version) == "ipv4" ? "0.0.0.0/0" : "::/0"}};
    }
  }
  for (const IngressRule& rule : ingress_rules(input)) resources["aws_vpc_security_group_ingress_rule"][rule_name(rule)] = ingress(rule);
}

/// IAM's names are those of the whole account: another region's role must have another one.
std::string role_prefix(const std::string& deployment) {
  constexpr std::size_t kMost = 38;  // the provider's limit
  constexpr std::string_view kEnd = "-backup-";
  return deployment.substr(0, kMost - kEnd.size()).append(kEnd);
}

void add_backup(Json& resources, const Environment& environment) {
  const std::string name = backup_name(environment);
  Json rules = Json::array();
  for (const BackupRule& rule : kBackupRules) {
    rules.push_back({{"rule_name", rule.name}, {"target_vault_name", "${aws_backup_vault.backup.name}"}, {"schedule", rule.schedule},
                     {"start_window", kBackupStartWindow}, {"completion_window", kBackupCompletionWindow},
                     {"lifecycle", Json::array({{{"delete_after", rule.days}}})}});
  }
  const Json trust = {{"Version", "2012-10-17"},
                      {"Statement", Json::array({{{"Effect", "Allow"}, {"Principal", {{"Service", "backup.amazonaws.com"}}}, {"Action", "sts:AssumeRole"}}})}};
  resources["aws_backup_vault"]["backup"] = {{"name", name}, {"lifecycle", {{"prevent_destroy", true}}}};
  resources["aws_backup_plan"]["backup"] = {{"name", name}, {"rule", rules}};
  resources["aws_iam_role"]["backup"] = {{"name_prefix", role_prefix(environment.deployment)}, {"assume_role_policy", trust.dump()}};
  resources["aws_iam_role_policy_attachment"]["backup"] = {{"role", "${aws_iam_role.backup.name}"},
                                                           {"policy_arn", "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"}};
  resources["aws_backup_selection"]["backup"] = {{"name", "backup-normal"}, {"plan_id", "${aws_backup_plan.backup.id}"},
                                                 {"iam_role_arn", "${aws_iam_role.backup.arn}"},
                                                 {"selection_tag", Json::array({{{"type", "STRINGEQUALS"}, {"key", "backup-normal"}, {"value", "true"}}})}};
}

}  // namespace

std::string ops_terraform(const OpsInput& input) {
  Json resources = Json::object();
  add_groups(resources, input);
  add_backup(resources, input.environment);
  const Json root = {{"//", "Made by `imgbuild ops`; run it again instead of editing."},
                     {"terraform", {{"required_providers", {{"aws", {{"source", "hashicorp/aws"}, {"version", ">= 5.0"}}}}}}},
                     {"variable", {{"vpc_id", {{"type", "string"}, {"description", "VPC of the deployment"}}}}},
                     {"resource", resources}};
  return root.dump(2) + "\n";
}

}  // namespace imgbuild
