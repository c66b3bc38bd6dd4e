#pragma once

#include <filesystem>
#include <string>

#include "keys/vault.h"
#include "keys/vault_index.h"

/// What may be in a vault together, and where.
namespace imgbuild {

[[nodiscard]] std::filesystem::path machine_folder(const std::filesystem::path& vault, const std::string& name);
/// The file that says what a machine was when its keys were made.
[[nodiscard]] std::filesystem::path role_file(const std::filesystem::path& vault, const std::string& name);

/// The folders from the vault down to 'folder' must be private, as far as they exist.
void check_folders(const std::filesystem::path& vault, const std::filesystem::path& folder);

/// Throws Error (bad input) with the cure if the machine's keys were made for another role, or are those of an authority
/// and may not be beside another's.
void check_machine(const std::filesystem::path& vault, const VaultIndex& index, const MachineNeeds& needs, Environment::Lab lab);

/// Throws if the needs themselves name two authorities whose keys would be in the vault, before either is.
void check_authorities(const std::filesystem::path& vault, const VaultNeeds& needs);

[[nodiscard]] std::string without_newline(std::string text);

}  // namespace imgbuild
