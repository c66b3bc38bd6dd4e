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

/// Both contents, nothing if both are absent or write_pair was killed between them. Throws Error (bad input) with the cure
/// if only one is there.
[[nodiscard]] std::optional<PairContent> read_pair(const FilePair& files);

/// Writes both, 0600: both or none appear. A run that is killed between the two renames leaves the counterpart and a
/// temporary of the secret, by which read_pair and remove_leftover know that nobody has used them yet.
void write_pair(const FilePair& files, const PairContent& content);

/// True for the temporaries of io::AtomicFile: ".NAME.0123abcd".
[[nodiscard]] bool is_leftover(const std::filesystem::path& file);

/// Removes a leftover, and before it the counterpart that a killed write_pair left alone. Needs the vault's lock.
void remove_leftover(const std::filesystem::path& file);

/// Throws Error (bad input) unless 'name' fits into a path as one harmless component: letters, digits, '-', '_', '.',
/// beginning with a letter or digit, at most 255. 'what' names it: "machine name".
void check_entry_name(const std::string& name, const char* what);

}  // namespace imgbuild
