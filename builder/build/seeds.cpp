#include "build/seeds.h"

#include "build/outputs.h"
#include "keys/vault.h"
#include "seed/seed.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

MachineNeeds needs_of(const Plan& plan, const Machine& machine) {
  return {.name = machine.name, .role = machine.role, .dns_names = {machine.name, plan.environment.domain}, .keys = machine.keys};
}

VaultNeeds needs_of(const Plan& plan) {
  VaultNeeds needs;
  for (const PlannedMachine& planned : plan.machines) needs.machines.push_back(needs_of(plan, planned.machine));
  for (const auto& [name, value] : plan.machines.front().settings.secrets) {
    if (!value) needs.passwords.push_back(name);
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

SeedFiles seed_of(const Plan& plan, const PlannedMachine& planned, const SeedTemplate& seed, const Vault& vault) {
  const MachineKeys keys = vault.machine(needs_of(plan, planned.machine));
  SeedInput input = {.environment = plan.environment, .machine = planned.machine, .settings = settings_of(planned, vault)};
  if (keys.tls) input.tls = {.key = keys.tls->key, .certificate = keys.tls->certificate};
  input.host_key = {.private_key = keys.host.private_key, .public_key = keys.host.public_key};
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

std::vector<std::string> missing_in_vault(const Plan& plan) {
  return Vault::would_make(vault_folder(plan.environment), needs_of(plan), {.lab = plan.environment.lab});
}

void check_seeds(const Project& project, const Plan& plan) {
  (void)read_seed_template(project.cidata() / (plan.recipe.seed + ".yml"));
  (void)missing_in_vault(plan);  // throws for a vault that can't be used
}

std::vector<fs::path> write_seeds(const Project& project, const Plan& plan, Status& status) {
  const SeedTemplate seed = read_seed_template(project.cidata() / (plan.recipe.seed + ".yml"));
  status.begin("writing seeds");
  const Vault vault = Vault::open_or_make(vault_folder(plan.environment), vault_options(plan, status));
  io::make_directories(plan.output, 0755);
  std::vector<fs::path> paths;
  for (const PlannedMachine& planned : plan.machines) {
    const SeedFiles files = seed_of(plan, planned, seed, vault);
    const fs::path path = seed_path(plan.output, planned.machine.name);
    if (!is_written(path, files)) write_seed(path, files);
    paths.push_back(path);
    status.progress(paths.size(), plan.machines.size(), planned.machine.name);
  }
  status.end(paths.size() == 1 ? paths.front().filename().native() : fmt::format("{} machines", paths.size()));
  return paths;
}

}  // namespace imgbuild
