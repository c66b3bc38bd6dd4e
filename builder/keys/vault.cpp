#include "keys/vault.h"

#include <algorithm>
#include <utility>

#include "keys/private_file.h"
#include "keys/vault_entry.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

fs::path password_file(const fs::path& vault, const std::string& name) { return vault / "passwords" / name; }
fs::path machine_folder(const fs::path& vault, const std::string& name) { return vault / "machines" / name; }
fs::path role_file(const fs::path& vault, const std::string& name) { return machine_folder(vault, name) / "role"; }

FilePair tls_files(const fs::path& vault, const std::string& name) {
  const fs::path folder = machine_folder(vault, name);
  return {.secret = folder / "tls.key", .counterpart = folder / "tls.crt"};
}

FilePair host_key_files(const fs::path& vault, const std::string& name) {
  const fs::path folder = machine_folder(vault, name);
  return {.secret = folder / "ssh_host_ed25519_key", .counterpart = folder / "ssh_host_ed25519_key.pub"};
}

/// The folders from the vault down to 'folder' must be private, as far as they exist.
void check_folders(const fs::path& vault, const fs::path& folder) {
  if (folder != vault) check_folders(vault, folder.parent_path());
  if (fs::exists(fs::symlink_status(folder))) check_private_folder(folder);
}

std::string without_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::optional<Secret> read_password(const fs::path& vault, const std::string& name) {
  check_entry_name(name, "password's name");
  const fs::path file = password_file(vault, name);
  check_folders(vault, file.parent_path());
  const std::optional<Secret> content = read_private_file(file);
  if (!content) return std::nullopt;
  Secret password(without_newline(content->reveal()));
  if (password.empty()) throw Error(ExitCode::bad_input, "{}: is empty", file.native());
  if (password.reveal().find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    throw Error(ExitCode::bad_input, "{}: must be one line of text", file.native());
  }
  return password;
}

/// The names of the authorities whose keys the vault holds.
std::vector<std::string> authorities_in(const fs::path& vault) {
  std::vector<std::string> names;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(vault / "machines", absent)) {
    const std::optional<Secret> role = read_private_file(entry.path() / "role");
    if (role && without_newline(role->reveal()) == kAuthorityRole) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void check_single_authority(const fs::path& vault, const MachineNeeds& needs, const std::vector<std::string>& held) {
  if (needs.role != kAuthorityRole) return;
  for (const std::string& other : held) {
    if (other == needs.name) continue;
    throw Error(ExitCode::bad_input, "{}: holds the keys of authority '{}' and must not hold those of '{}' too",
                vault.native(), other, needs.name)
        .set_hint("mark the machine 'external: true' and let its trustee build it, or say 'lab: true' for a trial");
  }
}

/// A machine's identity is bound to its role: other machines know its keys as those of that role.
void check_role(const fs::path& vault, const MachineNeeds& needs) {
  const std::optional<Secret> stored = read_private_file(role_file(vault, needs.name));
  const std::string role = stored ? without_newline(stored->reveal()) : needs.role;
  if (role == needs.role) return;
  const std::string folder = machine_folder(vault, needs.name).native();
  throw Error(ExitCode::bad_input, "{}: the keys of '{}' were made for role '{}', but it is to be '{}'", folder,
              needs.name, role, needs.role)
      .set_hint(fmt::format("remove '{}' to have new keys made", folder));
}

void check_machine(const fs::path& vault, const MachineNeeds& needs, const VaultOptions& options) {
  check_entry_name(needs.name, "machine's name");
  check_folders(vault, machine_folder(vault, needs.name));
  check_role(vault, needs);
  if (options.lab == Environment::Lab::no) check_single_authority(vault, needs, authorities_in(vault));
}

/// Throws if the needs themselves name two authorities, before either is in the vault.
void check_authorities(const fs::path& vault, const VaultNeeds& needs) {
  std::vector<std::string> met;
  for (const MachineNeeds& machine : needs.machines) {
    check_single_authority(vault, machine, met);
    if (machine.role == kAuthorityRole) met.push_back(machine.name);
  }
}

void make_private_folder(const fs::path& folder) {
  io::make_directories(folder, 0700);
  check_private_folder(folder);
}

std::optional<TlsPair> read_tls(const fs::path& vault, const MachineNeeds& needs, std::time_t now) {
  const FilePair files = tls_files(vault, needs.name);
  std::optional<PairContent> found = read_pair(files);
  if (!found) return std::nullopt;
  TlsPair pair{.key = std::move(found->secret), .certificate = std::move(found->counterpart)};
  try {
    check_pair(pair, {.key_origin = files.secret,
                      .certificate_origin = files.counterpart,
                      .dns_names = needs.dns_names,
                      .now = now});
  } catch (Error& error) {
    if (error.hint().empty()) {
      error.set_hint(fmt::format("remove '{}' and '{}' to have both made anew; every peer must then install the new one",
                                 files.secret.native(), files.counterpart.native()));
    }
    throw;
  }
  return pair;
}

std::optional<SshKeyPair> read_host_key(const fs::path& vault, const MachineNeeds& needs) {
  const FilePair files = host_key_files(vault, needs.name);
  std::optional<PairContent> found = read_pair(files);
  if (!found) return std::nullopt;
  SshKeyPair pair{.private_key = std::move(found->secret), .public_key = without_newline(found->counterpart)};
  if (public_line_of(pair.private_key, files.secret) != pair.public_key) {
    throw Error(ExitCode::bad_input, "{}: is not the public half of '{}'", files.counterpart.native(),
                files.secret.native())
        .set_hint(fmt::format("ssh-keygen -y -f '{}' > '{}'", files.secret.native(), files.counterpart.native()));
  }
  return pair;
}

TlsPair make_tls(const fs::path& vault, const MachineNeeds& needs, const VaultOptions& options) {
  TlsPair pair{.key = make_private_key(options.tls_key)};
  pair.certificate = make_certificate(pair.key, {.dns_names = needs.dns_names, .now = options.now});
  write_pair(tls_files(vault, needs.name), {.secret = pair.key, .counterpart = pair.certificate});
  return pair;
}

SshKeyPair make_host_key(const fs::path& vault, const MachineNeeds& needs) {
  SshKeyPair pair = make_ssh_key(needs.name);
  write_pair(host_key_files(vault, needs.name), {.secret = pair.private_key, .counterpart = pair.public_key + '\n'});
  return pair;
}

/// Needs the vault's lock: then nobody is writing, and every temporary is a leftover.
void remove_leftovers(const fs::path& vault) {
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::recursive_directory_iterator(vault)) {
    if (entry.is_regular_file() && is_leftover(entry.path())) leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) remove_leftover(path);
}

std::string entry_name(const fs::path& vault, const fs::path& file) { return file.lexically_relative(vault).native(); }

std::time_t time_of(const VaultOptions& options) { return options.now != 0 ? options.now : std::time(nullptr); }

}  // namespace

Vault Vault::open_or_make(fs::path path, VaultOptions options) {
  if (!fs::exists(fs::symlink_status(path))) io::make_directories(path, 0700);
  check_private_folder(path);
  options.now = time_of(options);
  Vault vault(std::move(path), std::move(options));
  const io::FileLock lock(vault.path_ / ".lock", vault.options_.on_wait);
  remove_leftovers(vault.path_);
  const fs::path ignore = vault.path_ / ".gitignore";
  if (!fs::exists(fs::symlink_status(ignore))) io::write_file(ignore, "*\n", 0600);
  return vault;
}

std::vector<std::string> Vault::would_make(const fs::path& path, const VaultNeeds& needs, const VaultOptions& options) {
  if (options.lab == Environment::Lab::no) check_authorities(path, needs);
  std::vector<std::string> names;
  for (const std::string& name : needs.passwords) {
    if (!read_password(path, name)) names.push_back(entry_name(path, password_file(path, name)));
  }
  for (const MachineNeeds& machine : needs.machines) {
    check_machine(path, machine, options);
    if (machine.keys == KeyOrigin::seed && !read_tls(path, machine, time_of(options))) {
      names.push_back(entry_name(path, tls_files(path, machine.name).secret));
    }
    if (!read_host_key(path, machine)) names.push_back(entry_name(path, host_key_files(path, machine.name).secret));
  }
  return names;
}

Secret Vault::secret(const std::string& name) const {
  const io::FileLock lock(path_ / ".lock", options_.on_wait);
  if (std::optional<Secret> password = read_password(path_, name)) return std::move(*password);
  make_private_folder(path_ / "passwords");
  Secret password = make_password();
  const Secret line(password.reveal() + '\n');
  io::write_file(password_file(path_, name), line.reveal(), 0600);
  return password;
}

MachineKeys Vault::machine(const MachineNeeds& needs) const {
  const io::FileLock lock(path_ / ".lock", options_.on_wait);
  check_machine(path_, needs, options_);
  make_private_folder(path_ / "machines");
  make_private_folder(machine_folder(path_, needs.name));
  const fs::path role = role_file(path_, needs.name);
  if (!read_private_file(role)) io::write_file(role, needs.role + '\n', 0600);  // before any key: it guards them
  MachineKeys keys;
  if (needs.keys == KeyOrigin::seed) {
    keys.tls = read_tls(path_, needs, options_.now);
    if (!keys.tls) keys.tls = make_tls(path_, needs, options_);
  }
  std::optional<SshKeyPair> host = read_host_key(path_, needs);
  keys.host = host ? std::move(*host) : make_host_key(path_, needs);
  return keys;
}

}  // namespace imgbuild
