#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "recipe/environment.h"
#include "recipe/port_matrix.h"

/// The texts of `imgbuild ops --env FILE`, each a pure function of the deployment.
namespace imgbuild {

/// What the files are made from.
struct OpsInput {
  const Environment& environment;
  const std::vector<PortRow>& ports;
  std::filesystem::path checkout;     ///< in which imgbuild is run, absolute
  std::filesystem::path folder;       ///< where the files will be, absolute
  std::filesystem::path environment_file;  ///< absolute
  std::filesystem::path output_root;       ///< absolute, as -o said; empty: the default
  enum class Address { private_ip, public_ip } address = Address::private_ip;  ///< by which the machines are reached
  enum class Cloudflare { no, yes } cloudflare = Cloudflare::no;
  const Machine* primary = nullptr;  ///< the web server that writes now; nullptr: there is no web server
};

/// A file of the ops machine.
struct OpsFile {
  std::string name;
  std::string content;
};

[[nodiscard]] std::string ops_ssh_config(const OpsInput& input);
[[nodiscard]] std::string ops_hosts(const OpsInput& input);
/// Throws Error (bad input) if the vault lacks the host key of a machine of ours.
[[nodiscard]] std::string ops_known_hosts(const OpsInput& input);
[[nodiscard]] std::string ops_tmuxinator(const OpsInput& input);
[[nodiscard]] std::string ops_tmux_conf();
/// Security groups "DEPLOYMENT-MACHINE" of our machines, and the backup plan.
[[nodiscard]] std::string ops_terraform(const OpsInput& input);
[[nodiscard]] std::string ops_cloudformation(const OpsInput& input);
[[nodiscard]] std::string ops_runbook(const OpsInput& input);

/// All of them, in a fixed order.
[[nodiscard]] std::vector<OpsFile> ops_files(const OpsInput& input);

/// The text as one word for a shell: as it is if that is plain, else in quotes.
[[nodiscard]] std::string shell_word(const std::string& text);

/// Throws Error (bad input) if a path of 'input' has a character that has a meaning in one of the files and can't be quoted there.
void check_paths(const OpsInput& input);

/// "s1" of "prod-s1" in the deployment prod.
[[nodiscard]] std::string short_name(const Environment& environment, const Machine& machine);

/// What a security group lets in: one network, one port or kind of ICMP message.
struct IngressRule {
  std::string machine;
  std::string network;   ///< CIDR
  std::string protocol;  ///< tcp, udp, icmp or icmpv6
  unsigned port = 0;     ///< of ICMP the type
  unsigned to_port = 0;  ///< the same; of ICMP the code
  std::string description;
};
/// The rules of our machines: the same matrix as their own firewalls (port_matrix.h), the world as two networks, or, on the ports
/// of the web and where asked for, as those of Cloudflare; then of what those take of ICMP the word that a packet is too big, and
/// an echo for ops.
[[nodiscard]] std::vector<IngressRule> ingress_rules(const OpsInput& input);

/// "DEPLOYMENT-MACHINE", by which `ami launch` finds it. Throws Error (bad input) if AWS takes no such name.
[[nodiscard]] std::string security_group_name(const Environment& environment, const Machine& machine);

/// Name of the backup vault and plan: the deployment's, or, where AWS takes no such one, what it begins with and a digest.
[[nodiscard]] std::string backup_name(const Environment& environment);

/// A rule of the backup plan. AWS Backup keeps by days, not by number: 'points' is what the days come to.
struct BackupRule {
  const char* name;
  const char* schedule;  ///< AWS's cron, UTC
  int days;
  const char* when;      ///< the schedule for people
  int points;
};
/// Where two rules may start at the same time AWS makes only the backup that is kept longer: they start in windows of their own.
inline constexpr BackupRule kBackupRules[] = {
    {.name = "every-3-hours", .schedule = "cron(0 0/3 ? * * *)", .days = 1, .when = "00:00, 03:00, … 21:00", .points = 8},
    {.name = "daily", .schedule = "cron(30 1 ? * * *)", .days = 6, .when = "01:30", .points = 6},
    {.name = "weekly", .schedule = "cron(30 4 ? * 1 *)", .days = 28, .when = "Sunday 04:30", .points = 4},
    {.name = "monthly", .schedule = "cron(30 7 1 * ? *)", .days = 731, .when = "the 1st, 07:30", .points = 24},
};
/// Minutes from the scheduled time in which a backup starts, and in which it ends. Without them Terraform's provider says 60 and 180, and
/// CloudFormation 8 hours and 7 days.
inline constexpr int kBackupStartWindow = 60;
inline constexpr int kBackupCompletionWindow = 180;

}  // namespace imgbuild
