#include "keys/vault_rules.h"

#include <set>

#include "keys/private_file.h"
#include "keys/vault_entry.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// Every machine that the vault knows of, its folder lost or not.
std::set<std::string> machines_of(const fs::path& vault, const VaultIndex& index) {
  std::set<std::string> names = index.machines();
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(vault / "machines", absent)) names.insert(entry.path().filename());
  return names;
}

/// The authorities whose TLS keys the vault holds, or should.
std::set<std::string> authorities_in(const fs::path& vault, const VaultIndex& index) {
  std::set<std::string> names;
  for (const std::string& name : machines_of(vault, index)) {
    const std::optional<Secret> role = read_private_file(role_file(vault, name));
    if (!role) index.require_unlisted(role_file(vault, name).lexically_relative(vault));
    const fs::path key = machine_folder(vault, name) / "tls.key";
    const bool has_key = fs::exists(fs::symlink_status(key)) || index.holds(key.lexically_relative(vault));
    if (has_key && role && without_newline(role->reveal()) == kAuthorityRole) names.insert(name);
  }
  return names;
}

bool holds_authority_key(const MachineNeeds& needs) {
  return needs.role == kAuthorityRole && needs.keys == KeyOrigin::seed;
}

void check_single_authority(const fs::path& vault, const MachineNeeds& needs, const std::set<std::string>& held) {
  for (const std::string& other : held) {
    if (other == needs.name) continue;
    throw Error(ExitCode::bad_input, "{}: holds the keys of authority '{}' and must not hold those of '{}' too",
                vault.native(), other, needs.name)
        .set_hint("mark the machine 'external: true' and let its trustee build it, give it 'keys: machine', or say "
                  "'lab: true' for a trial");
  }
}

/// A machine's identity is bound to its role: other machines know its keys as those of that role.
void check_role(const fs::path& vault, const VaultIndex& index, const MachineNeeds& needs) {
  const fs::path file = role_file(vault, needs.name);
  const std::optional<Secret> stored = read_private_file(file);
  if (!stored) index.require_unlisted(file.lexically_relative(vault));
  const std::string role = stored ? without_newline(stored->reveal()) : needs.role;
  if (role == needs.role) return;
  const std::string folder = machine_folder(vault, needs.name).native();
  throw Error(ExitCode::bad_input, "{}: the keys of '{}' were made for role '{}', but it is to be '{}'", folder,
              needs.name, role, needs.role)
      .set_hint(fmt::format("remove '{}' and its lines in the vault's 'index' to have new keys made", folder));
}

}  // namespace

fs::path machine_folder(const fs::path& vault, const std::string& name) { return vault / "machines" / name; }

fs::path role_file(const fs::path& vault, const std::string& name) { return machine_folder(vault, name) / "role"; }

void check_folders(const fs::path& vault, const fs::path& folder) {
  if (folder != vault) check_folders(vault, folder.parent_path());
  if (fs::exists(fs::symlink_status(folder))) check_private_folder(folder);
}

void check_machine(const fs::path& vault, const VaultIndex& index, const MachineNeeds& needs, Environment::Lab lab) {
  check_entry_name(needs.name, "machine's name");
  check_folders(vault, machine_folder(vault, needs.name));
  check_role(vault, index, needs);
  if (!needs.shared_tls.empty()) check_entry_name(needs.shared_tls, "shared certificate's name");
  if (needs.role == kAuthorityRole && !needs.shared_tls.empty()) {
    throw Error(ExitCode::bad_input, "authority '{}' must not share its private key with other machines", needs.name)
        .set_hint(fmt::format("say 'tls: own' in cidata/{}.yml", needs.shared_tls));
  }
  if (lab == Environment::Lab::no && holds_authority_key(needs)) {
    check_single_authority(vault, needs, authorities_in(vault, index));
  }
}

void check_authorities(const fs::path& vault, const VaultNeeds& needs) {
  std::set<std::string> met;
  for (const MachineNeeds& machine : needs.machines) {
    if (!holds_authority_key(machine)) continue;
    check_single_authority(vault, machine, met);
    met.insert(machine.name);
  }
}

std::string without_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace imgbuild
