#include "build/seeds.h"

#include <algorithm>

#include "build/outputs.h"
#include "keys/vault.h"
#include "seed/seed.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

SeedTemplate template_of(const Project& project, const Plan& plan) {
  return read_seed_template(project.cidata() / (plan.recipe.seed + ".yml"));
}

/// A certificate names all who show it. Machines that make their own keys don't show the shared one.
std::vector<std::string> dns_names_of(const Plan& plan, const Machine& machine, const SeedTemplate& seed) {
  std::vector<std::string> names;
  for (const Machine& other : plan.group) {
    const bool shares = seed.tls == TlsSharing::shared && other.keys == KeyOrigin::seed;
    if (shares || other.name == machine.name) names.push_back(other.name);
  }
  names.push_back(plan.environment.domain);
  return names;
}

MachineNeeds needs_of(const Plan& plan, const Machine& machine, const SeedTemplate& seed) {
  return {.name = machine.name,
          .role = machine.role,
          .dns_names = dns_names_of(plan, machine, seed),
          .keys = machine.keys,
          .shared_tls = seed.tls == TlsSharing::shared ? seed.name : "",
          .ssh_users = seed.ssh_users};
}

/// The machines whose keys the seeds of this plan show or hold: where accounts log in to each other, all of the group.
std::vector<Machine> machines_concerned(const Plan& plan, const SeedTemplate& seed) {
  if (!seed.ssh_users.empty()) return plan.group;
  std::vector<Machine> machines;
  for (const PlannedMachine& planned : plan.machines) machines.push_back(planned.machine);
  return machines;
}

/// What all the plans need, each thing once.
VaultNeeds needs_of(const Project& project, const std::vector<Plan>& plans) {
  VaultNeeds needs;
  for (const Plan& plan : plans) {
    const SeedTemplate seed = template_of(project, plan);
    for (const Machine& machine : machines_concerned(plan, seed)) {
      const auto is_it = [&](const MachineNeeds& other) { return other.name == machine.name; };
      if (std::ranges::none_of(needs.machines, is_it)) needs.machines.push_back(needs_of(plan, machine, seed));
    }
    for (const auto& [name, value] : plan.machines.front().settings.secrets) {
      if (!value && std::ranges::find(needs.passwords, name) == needs.passwords.end()) needs.passwords.push_back(name);
    }
  }
  return needs;
}

VaultOptions vault_options(const Plan& plan, Status& status) {
  return {.lab = plan.environment.lab, .on_wait = [&status] { status.note("another imgbuild works on the vault; waiting"); }};
}

std::map<std::string, Secret> settings_of(const PlannedMachine& planned, const Vault& vault) {
  std::map<std::string, Secret> settings;
  for (const auto& [name, value] : planned.settings.values) settings.emplace(name, Secret(value));
  for (const auto& [name, value] : planned.settings.secrets) settings.emplace(name, value ? *value : vault.secret(name));
  return settings;
}

/// The public ssh lines that machines of the plan show: their hosts' and accounts'.
std::map<std::string, std::string> public_lines(const MachineKeys& keys) {
  std::map<std::string, std::string> lines = {{"host", keys.host.public_key}};
  for (const auto& [user, pair] : keys.users) lines.emplace(user, pair.public_key);
  return lines;
}

SeedFiles seed_of(const Plan& plan, const PlannedMachine& planned, const SeedTemplate& seed, const Vault& vault) {
  SeedInput input = {.environment = plan.environment, .machine = planned.machine, .settings = settings_of(planned, vault)};
  for (const Machine& machine : machines_concerned(plan, seed)) {
    const bool is_own = machine.name == planned.machine.name;
    if (!is_own && seed.ssh_users.empty()) continue;
    const MachineKeys keys = vault.machine(needs_of(plan, machine, seed));
    if (!seed.ssh_users.empty()) input.public_ssh_keys[machine.name] = public_lines(keys);
    if (!is_own) continue;
    if (keys.tls) input.tls = {.key = keys.tls->key, .certificate = keys.tls->certificate};
    input.host_key = {.private_key = keys.host.private_key, .public_key = keys.host.public_key};
    for (const auto& [user, pair] : keys.users) input.user_keys[user] = {.private_key = pair.private_key, .public_key = pair.public_key};
  }
  return make_seed(seed, input);
}

/// True if 'path' already is the seed of this content: the instance-id carries its digest.
bool is_written(const fs::path& path, const SeedFiles& files) {
  if (!fs::is_regular_file(fs::symlink_status(path))) return false;
  try {
    const SeedFiles old = read_seed(path);
    return old.meta_data == files.meta_data && old.network_config == files.network_config &&
           old.user_data.reveal() == files.user_data.reveal() && (fs::status(path).permissions() & fs::perms(077)) == fs::perms::none;
  } catch (const Error&) {
    return false;  // damaged or none of ours: replaced
  }
}

}  // namespace

std::vector<std::string> missing_in_vault(const Project& project, const std::vector<Plan>& plans) {
  const Environment& environment = plans.front().environment;
  return Vault::would_make(vault_folder(environment), needs_of(project, plans), {.lab = environment.lab});
}

void check_seeds(const Project& project, const std::vector<Plan>& plans) {
  (void)missing_in_vault(project, plans);  // throws for a template or a vault that can't be used
}

std::vector<fs::path> write_seeds(const Project& project, const std::vector<Plan>& plans, Status& status) {
  status.begin("writing seeds");
  const Vault vault = Vault::open_or_make(vault_folder(plans.front().environment), vault_options(plans.front(), status));
  std::size_t machines = 0;
  for (const Plan& plan : plans) machines += plan.machines.size();
  std::vector<fs::path> paths;
  for (const Plan& plan : plans) {
    const SeedTemplate seed = template_of(project, plan);
    io::make_directories(plan.output, 0755);
    for (const PlannedMachine& planned : plan.machines) {
      const SeedFiles files = seed_of(plan, planned, seed, vault);
      const fs::path path = seed_path(plan.output, planned.machine.name);
      if (!is_written(path, files)) write_seed(path, files);
      paths.push_back(path);
      status.progress(paths.size(), machines, planned.machine.name);
    }
  }
  status.end(paths.size() == 1 ? paths.front().filename().native() : fmt::format("{} machines", paths.size()));
  return paths;
}

}  // namespace imgbuild
