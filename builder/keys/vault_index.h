#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace imgbuild {

/// The list of what a vault was given, in its file "index": one entry a line, such as "machines/prod-s1/tls.key". What is
/// listed and gone is never made anew: somebody may rely on it. Needs the vault's lock where it is saved.
class VaultIndex {
 public:
  /// Reads it; a vault without one (new, or older than it) has an empty one. Throws Error (bad input) for a line that can
  /// be no entry.
  explicit VaultIndex(std::filesystem::path vault);

  [[nodiscard]] bool holds(const std::string& entry) const { return entries_.contains(entry); }

  /// Throws Error (bad input) with the cure if 'entry', which is not there, is listed.
  void require_unlisted(const std::string& entry) const;

  /// The machines of which anything is listed.
  [[nodiscard]] std::set<std::string> machines() const;

  /// Adds what is not listed yet, and saves if there was any.
  void add(const std::vector<std::string>& entries);

 private:
  std::filesystem::path vault_;
  std::set<std::string> entries_;
};

}  // namespace imgbuild
