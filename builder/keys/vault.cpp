#include "keys/vault.h"

#include <algorithm>
#include <utility>

#include "keys/private_file.h"
#include "keys/vault_entry.h"
#include "keys/vault_index.h"
#include "keys/vault_rules.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

fs::path password_file(const fs::path& vault, const std::string& name) { return vault / "passwords" / name; }

FilePair tls_files(const fs::path& vault, const MachineNeeds& needs) {
  const bool is_shared = !needs.shared_tls.empty();
  const fs::path folder = is_shared ? vault / "shared" / needs.shared_tls : machine_folder(vault, needs.name);
  return {.secret = folder / "tls.key", .counterpart = folder / "tls.crt"};
}

/// An ssh key, and the comment by which it is known whose it is.
struct SshKeyPlace {
  fs::path file;
  std::string comment;
  [[nodiscard]] FilePair files() const { return {.secret = file, .counterpart = file.native() + ".pub"}; }
};

SshKeyPlace host_key_place(const fs::path& vault, const MachineNeeds& needs) {
  return {.file = machine_folder(vault, needs.name) / "ssh_host_ed25519_key", .comment = needs.name};
}

SshKeyPlace user_key_place(const fs::path& vault, const MachineNeeds& needs, const std::string& user) {
  return {.file = machine_folder(vault, needs.name) / "ssh" / user, .comment = user + '@' + needs.name};
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

/// From the vault down to 'folder'.
void make_private_folders(const fs::path& vault, const fs::path& folder) {
  io::make_directories(folder, 0700);
  check_folders(vault, folder);
}

std::string entry_name(const fs::path& vault, const fs::path& file) { return file.lexically_relative(vault).native(); }

std::optional<TlsPair> read_tls(const fs::path& vault, const MachineNeeds& needs, std::time_t now) {
  const FilePair files = tls_files(vault, needs);
  check_folders(vault, files.secret.parent_path());
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
      error.set_hint(fmt::format("remove '{}', '{}' and their line in the vault's 'index' to have both made anew; every peer "
                                 "must then install the new one",
                                 files.secret.native(), files.counterpart.native()));
    }
    throw;
  }
  return pair;
}

/// Throws if the key is that of another machine or user.
void check_comment(const std::string& line, const SshKeyPlace& place) {
  const std::size_t end = line.find(' ', line.find(' ') + 1);
  const std::string comment = end == std::string::npos ? "" : line.substr(end + 1);
  if (comment == place.comment) return;
  throw Error(ExitCode::bad_input, "{}: is the key of '{}', but must be that of '{}'", place.file.native(), comment, place.comment)
      .set_hint(fmt::format("if files were swapped put them back; a key of your own is named by: ssh-keygen -c -C '{}' -f '{}'",
                            place.comment, place.file.native()));
}

std::optional<SshKeyPair> read_ssh_key(const fs::path& vault, const SshKeyPlace& place) {
  check_folders(vault, place.file.parent_path());
  const FilePair files = place.files();
  std::optional<PairContent> found = read_pair(files);
  if (!found) return std::nullopt;
  SshKeyPair pair{.private_key = std::move(found->secret), .public_key = without_newline(found->counterpart)};
  const std::string line = public_line_of(pair.private_key, files.secret);
  if (line != pair.public_key) {
    throw Error(ExitCode::bad_input, "{}: is not the public half of '{}'", files.counterpart.native(),
                files.secret.native())
        .set_hint(fmt::format("ssh-keygen -y -f '{}' > '{}'", files.secret.native(), files.counterpart.native()));
  }
  check_comment(line, place);
  return pair;
}

TlsPair make_tls(const fs::path& vault, const MachineNeeds& needs, const VaultOptions& options) {
  TlsPair pair{.key = make_private_key(options.tls_key)};
  pair.certificate = make_certificate(pair.key, {.dns_names = needs.dns_names, .now = options.now});
  make_private_folders(vault, tls_files(vault, needs).secret.parent_path());
  write_pair(tls_files(vault, needs), {.secret = pair.key, .counterpart = pair.certificate});
  return pair;
}

SshKeyPair make_ssh_pair(const fs::path& vault, const SshKeyPlace& place) {
  SshKeyPair pair = make_ssh_key(place.comment);
  make_private_folders(vault, place.file.parent_path());
  write_pair(place.files(), {.secret = pair.private_key, .counterpart = pair.public_key + '\n'});
  return pair;
}

/// All ssh keys of a machine: its own first.
std::vector<SshKeyPlace> ssh_key_places(const fs::path& vault, const MachineNeeds& needs) {
  std::vector<SshKeyPlace> places = {host_key_place(vault, needs)};
  for (const std::string& user : needs.ssh_users) {
    check_entry_name(user, "user's name");
    places.push_back(user_key_place(vault, needs, user));
  }
  return places;
}

/// Needs the vault's lock: then nobody is writing, and every temporary is a leftover.
void remove_leftovers(const fs::path& vault) {
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::recursive_directory_iterator(vault)) {
    if (entry.is_regular_file() && is_leftover(entry.path())) leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) remove_leftover(path);
}

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
  check_folders(path, path);
  const VaultIndex index(path);
  if (options.lab == Environment::Lab::no) check_authorities(path, needs);
  std::vector<std::string> names;
  const auto note_missing = [&](const fs::path& file) {
    index.require_unlisted(entry_name(path, file));
    if (std::ranges::find(names, entry_name(path, file)) == names.end()) names.push_back(entry_name(path, file));
  };
  for (const std::string& name : needs.passwords) {
    if (!read_password(path, name)) note_missing(password_file(path, name));
  }
  for (const MachineNeeds& machine : needs.machines) {
    check_machine(path, index, machine, options.lab);
    if (machine.keys == KeyOrigin::seed && !read_tls(path, machine, time_of(options))) note_missing(tls_files(path, machine).secret);
    for (const SshKeyPlace& place : ssh_key_places(path, machine)) {
      if (!read_ssh_key(path, place)) note_missing(place.file);
    }
  }
  return names;
}

Secret Vault::secret(const std::string& name) const {
  const io::FileLock lock(path_ / ".lock", options_.on_wait);
  VaultIndex index(path_);
  const fs::path file = password_file(path_, name);
  std::optional<Secret> password = read_password(path_, name);
  if (!password) {
    index.require_unlisted(entry_name(path_, file));
    make_private_folders(path_, file.parent_path());
    password = make_password();
    const Secret line(password->reveal() + '\n');
    io::write_file(file, line.reveal(), 0600);
  }
  index.add({entry_name(path_, file)});  // after the entry: what is listed has been there
  return *std::move(password);
}

MachineKeys Vault::machine(const MachineNeeds& needs) const {
  const io::FileLock lock(path_ / ".lock", options_.on_wait);
  VaultIndex index(path_);
  check_machine(path_, index, needs, options_.lab);
  make_private_folders(path_, machine_folder(path_, needs.name));
  const fs::path role = role_file(path_, needs.name);
  if (!read_private_file(role)) io::write_file(role, needs.role + '\n', 0600);  // before any key: it guards them
  std::vector<std::string> entries = {entry_name(path_, role)};
  MachineKeys keys;
  if (needs.keys == KeyOrigin::seed) {
    entries.push_back(entry_name(path_, tls_files(path_, needs).secret));
    keys.tls = read_tls(path_, needs, options_.now);
    if (!keys.tls) index.require_unlisted(entries.back());
    if (!keys.tls) keys.tls = make_tls(path_, needs, options_);
  }
  for (const SshKeyPlace& place : ssh_key_places(path_, needs)) {
    entries.push_back(entry_name(path_, place.file));
    std::optional<SshKeyPair> pair = read_ssh_key(path_, place);
    if (!pair) index.require_unlisted(entries.back());
    if (!pair) pair = make_ssh_pair(path_, place);
    if (place.comment == needs.name)
      keys.host = *std::move(pair);
    else
      keys.users.emplace(place.file.filename(), *std::move(pair));
  }
  index.add(entries);
  return keys;
}

}  // namespace imgbuild
