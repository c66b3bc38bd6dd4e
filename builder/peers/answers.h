#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild {

/// What `eopeers --list --json` says: SHA-256 of the installed certificates, by name. Throws Error (bad input) "ORIGIN: …".
[[nodiscard]] std::map<std::string, std::string> read_installed(std::string_view text, const std::string& origin);

/// A connection that a machine has tried with its own certificate, to a peer whose certificate it compared exactly.
struct ProvenLink {
  std::string peer;
  unsigned port = 0;
  enum class Ok { no, yes } ok = Ok::no;
  std::string seen_as;  ///< the names under which the peer knows the machine, with commas between them
  std::string problem;  ///< one harmless line
};

/// What `eopeers --prove --json` says. Throws Error (bad input) "ORIGIN: …".
[[nodiscard]] std::vector<ProvenLink> read_proof(std::string_view text, const std::string& origin);

}  // namespace imgbuild
