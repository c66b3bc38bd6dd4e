#include "keys/vault_public.h"

#include <algorithm>

#include "keys/certificate.h"
#include "keys/private_file.h"
#include "keys/vault_entry.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// The content of a file whose folders, from the vault on, must be private as far as they exist.
std::optional<std::string> read_entry(const fs::path& vault, const fs::path& entry) {
  fs::path folder = vault;
  for (const fs::path& part : entry) {
    if (!fs::exists(fs::symlink_status(folder))) return std::nullopt;
    check_private_folder(folder);
    folder /= part;
  }
  const std::optional<Secret> content = read_private_file(vault / entry);
  if (!content) return std::nullopt;
  return content->reveal();
}

/// The shared certificates' folders.
std::vector<fs::path> shared_folders(const fs::path& vault) {
  std::vector<fs::path> folders;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(vault / "shared", absent)) folders.push_back("shared" / entry.path().filename());
  std::ranges::sort(folders);
  return folders;
}

}  // namespace

std::optional<std::string> vault_host_key(const fs::path& folder, const std::string& machine) {
  check_entry_name(machine, "machine's name");
  std::optional<std::string> line = read_entry(folder, fs::path("machines") / machine / "ssh_host_ed25519_key.pub");
  if (line && line->ends_with('\n')) line->pop_back();
  return line;
}

std::vector<std::string> vault_fingerprints(const fs::path& folder, const std::string& machine) {
  check_entry_name(machine, "machine's name");
  std::vector<std::string> found;
  const auto add = [&](const fs::path& entry) {
    const std::optional<std::string> pem = read_entry(folder, entry / "tls.crt");
    if (!pem) return;
    const CertificateFacts facts = read_certificate(*pem, (folder / entry / "tls.crt").native());
    if (std::ranges::find(facts.dns_names, machine) != facts.dns_names.end()) found.push_back(facts.fingerprint);
  };
  add(fs::path("machines") / machine);
  for (const fs::path& shared : shared_folders(folder)) add(shared);
  return found;
}

}  // namespace imgbuild
