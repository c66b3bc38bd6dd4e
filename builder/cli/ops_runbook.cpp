#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/ops_files.h"

namespace imgbuild {
namespace {

/// The deployment's names, in the text's places.
class Runbook {
 public:
  explicit Runbook(const OpsInput& input) : input_(input), env_(input.environment), file_(input.environment_file.native()) {}

  std::string text() {
    begin();
    first_start();
    exchange();
    if (master_ != nullptr && slave_ != nullptr) promotion();
    restore();
    rotation();
    return text_;
  }

 private:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }
  void code(const std::vector<std::string>& lines) { text_ += fmt::format("\n```\n{}\n```\n\n", fmt::join(lines, "\n")); }
  [[nodiscard]] std::string ssh(const Machine& machine) const { return fmt::format("ssh -F {} {}", (input_.folder / "ssh_config").native(), machine.name); }

  void begin() {
    for (const Machine& machine : env_.machines) {
      if (machine.role == kMasterRole) master_ = &machine;
      if (machine.role == kSlaveRole && slave_ == nullptr) slave_ = &machine;
      (machine.external == Machine::External::yes ? others_ : ours_).push_back(&machine);
    }
    add("# Runbook of {}\n\nMade by `imgbuild ops` from `{}`; run it again when that file changes. It holds no secret.\n", env_.deployment, file_);
    add("| machine | role | private | public | kept by |\n|---|---|---|---|---|");
    for (const Machine& machine : env_.machines) {
      add("| {} | {} | {} | {} | {} |", machine.name, machine.role, machine.private_ip, machine.public_ip.empty() ? "–" : machine.public_ip,
          machine.external == Machine::External::yes ? "somebody else" : "us");
    }
    add("\nAll windows at once: `tmuxinator start -p {}`. One machine: `{}`.\n", (input_.folder / "tmuxinator.yml").native(), ssh(env_.machines.front()));
  }

  void first_start() {
    add("## First start");
    code({fmt::format("imgbuild deployment --env {}", file_), fmt::format("imgbuild ops --env {}", file_)});
    add("On EC2: apply `terraform.tf.json` or `cloudformation.json` (the security groups and the backup plan), then");
    std::vector<std::string> lines;
    std::vector<std::string> roles;
    for (const Machine* machine : ours_) {
      if (std::ranges::find(roles, machine->role) != roles.end()) continue;
      roles.push_back(machine->role);
      lines.push_back(fmt::format("imgbuild ami upload {} --env {}", machine->role, file_));
    }
    lines.push_back(fmt::format("imgbuild ami launch --env {} --subnet SUBNET --dry-run", file_));
    lines.push_back(fmt::format("imgbuild ami launch --env {} --subnet SUBNET", file_));
    code(lines);
    add("Elsewhere: start each machine with its image and its seed as second disk. Then, until all say `ready`:");
    lines.clear();
    for (const Machine* machine : ours_) lines.push_back(ssh(*machine) + " sudo appliance status");
    code(lines);
  }

  void exchange() {
    add("## Exchange of peer packages\n\nOnce all machines are ready, and again after each rotation of a TLS key:");
    code({fmt::format("imgbuild peers exchange --env {}", file_), fmt::format("imgbuild peers verify --env {}", file_)});
    for (const Machine* machine : others_) {
      add("- {} is kept by somebody else: get its package from its trustee, compare the fingerprint by telephone, then", machine->name);
      code({fmt::format("imgbuild peers exchange --env {0} --package {1}.pkg --write for-{1}/", file_, machine->name)});
    }
  }

  void promotion() {
    add("## Promotion: {} takes the place of {}\n\nOnly if {} is off for good, or can be fenced. Nobody does it automatically.", slave_->name, master_->name, master_->name);
    code({ssh(*slave_) + " sudo appliance status", ssh(*slave_) + " sudo appliance promote"});
    add("It refuses if {} is not provably fenced, and says why. Point {} to {} ({}). The old one comes back as standby:", master_->name, env_.domain, slave_->name,
        slave_->public_ip.empty() ? slave_->private_ip : slave_->public_ip);
    code({ssh(*master_) + " sudo appliance rejoin"});
  }

  void restore() {
    add("## Restore\n\n### From a snapshot of the volume (EC2)\n");
    const Machine& machine = master_ != nullptr ? *master_ : env_.machines.front();
    add("A snapshot is older than what peers know: of two web servers restore the standby first, and promote instead of restoring where one lives.\n");
    add("1. Stop {0}. In AWS Backup (vault `{1}`) or under Snapshots choose the moment, and create a volume of it in {0}'s zone, named `{0}-restored-1`.", machine.name,
        env_.deployment);
    add("2. Detach {0}'s `/dev/sda1`, keep that volume, attach `{0}-restored-1` as `/dev/sda1`, start {0}.", machine.name);
    add("3. Look before anybody votes:");
    code({ssh(machine) + " sudo appliance status", ssh(machine) + " sudo appliance selftest"});
    if (slave_ != nullptr) {
      add("4. The standby has more than the restored primary, and must follow it anew:");
      code({ssh(*slave_) + " sudo appliance rejoin"});
    }
    if (master_ == nullptr) return;
    add("### From the database's own backups");
    code({ssh(*master_) + " sudo appliance backup --list", ssh(*master_) + " sudo appliance restore NAME --to 2031-11-21T04:00:00Z"});
  }

  void rotation() {
    const std::string vault = vault_folder(env_).filename().native();
    add("## Rotation of keys\n\nThe vault `{}` never replaces what it made: who trusts an old key must be told of the new one. To have one made anew, take", vault);
    add("both its files and its lines in the vault's `index` away, and keep them until all works.\n");
    add("| key | files in `{}` | afterwards |\n|---|---|---|", vault);
    for (const Machine* machine : ours_) {
      add("| ssh host key of {0} | `machines/{0}/ssh_host_ed25519_key`, `.pub` | new seed, machine made anew, `imgbuild ops` |", machine->name);
      if (machine->keys == KeyOrigin::machine) {
        add("| TLS key of {0} | none: it is in the machine | machine made anew, exchange |", machine->name);
      } else if (machine->role == kAuthorityRole) {
        add("| TLS key of {0} | `machines/{0}/tls.key`, `tls.crt` | new seed, machine made anew, exchange |", machine->name);
      }
    }
    if (master_ != nullptr && master_->keys == KeyOrigin::seed) add("| TLS key of the web servers | `shared/web/tls.key`, `tls.crt` | new seeds, machines made anew, exchange |");
    add("| who may log in | `ssh_authorized_keys` in `{}` | new seeds; on running machines edit `~ops/.ssh/authorized_keys` |", file_);
    add("\nMake the seeds with `imgbuild seed --env {}`, start the machine anew with its seed, and prove the links with `imgbuild peers verify --env {}`.", file_, file_);
    add("A web server is made anew as standby first, then promoted; then the other.");
  }

  const OpsInput& input_;
  const Environment& env_;
  std::string file_;
  std::string text_;
  const Machine* master_ = nullptr;
  const Machine* slave_ = nullptr;
  std::vector<const Machine*> ours_;
  std::vector<const Machine*> others_;
};

}  // namespace

std::string ops_runbook(const OpsInput& input) { return Runbook(input).text(); }

std::vector<OpsFile> ops_files(const OpsInput& input) {
  return {{.name = "ssh_config", .content = ops_ssh_config(input)},
          {.name = "known_hosts", .content = ops_known_hosts(input)},
          {.name = "hosts", .content = ops_hosts(input)},
          {.name = "tmuxinator.yml", .content = ops_tmuxinator(input)},
          {.name = "tmux.conf", .content = ops_tmux_conf()},
          {.name = "terraform.tf.json", .content = ops_terraform(input)},
          {.name = "cloudformation.json", .content = ops_cloudformation(input)},
          {.name = "RUNBOOK.md", .content = ops_runbook(input)}};
}

}  // namespace imgbuild
