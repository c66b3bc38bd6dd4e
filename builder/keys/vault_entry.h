#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "util/secret.h"

namespace imgbuild {

/// Two files that mean something only together.
struct FilePair {
  std::filesystem::path secret;       ///< the private key
  std::filesystem::path counterpart;  ///< certificate or public key
};

struct PairContent {
  Secret secret;
  std::string counterpart;
};

/// Both contents, nothing if both are absent. Throws Error (bad input) with the cure if only one is there.
[[nodiscard]] std::optional<PairContent> read_pair(const FilePair& files);

/// Writes both, 0600: both or none appear, unless the machine itself dies between two renames; then the counterpart
/// alone is there, which is worth nothing and is said with the cure by read_pair.
void write_pair(const FilePair& files, const PairContent& content);

/// Throws Error (bad input) unless 'name' fits into a path as one harmless component: letters, digits, '-', '_', '.',
/// beginning with a letter or digit, at most 255. 'what' names it: "machine name".
void check_entry_name(const std::string& name, const char* what);

}  // namespace imgbuild
