#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace imgbuild {

/// The public ssh host key of a machine, "ssh-ed25519 BASE64 …", as the vault in 'folder' has it; nothing if it has none.
/// Makes nothing. Throws Error (bad input) with the cure if vault or file are open to others.
[[nodiscard]] std::optional<std::string> vault_host_key(const std::filesystem::path& folder, const std::string& machine);

/// SHA-256 of the certificates that the vault holds for a machine: its own, and those shared ones that name it. Empty if
/// it makes its own in the machine. Makes nothing. Throws as vault_host_key.
[[nodiscard]] std::vector<std::string> vault_fingerprints(const std::filesystem::path& folder, const std::string& machine);

}  // namespace imgbuild
