#pragma once

#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "peers/package.h"
#include "peers/ssh.h"
#include "recipe/environment.h"
#include "util/status.h"

namespace imgbuild {

/// A machine that takes part in the exchange, and what is known of it.
struct Peer {
  const Machine* machine = nullptr;
  enum class Access {
    ssh,   ///< we may log in
    none,  ///< external: its package comes by file or not at all
  } access = Access::ssh;
  std::optional<PeerPackage> package;
  std::string trouble;  ///< why it could not be asked; empty: it answered, or was not to be asked
  std::map<std::string, std::string> installed;  ///< fingerprints by name, when it was asked for them

  [[nodiscard]] bool is_at_hand() const { return access == Access::ssh && trouble.empty(); }
};

struct CollectOptions {
  std::vector<std::filesystem::path> packages;  ///< files
  enum class External { leave_alone, ask } external = External::leave_alone;
  enum class Installed { leave, ask } installed = Installed::leave;
  std::time_t now = 0;
};

/// The machines of the environment that have peers, in the file's order, with the packages that came as files. Throws Error
/// (bad input) for a bad file, or two of one machine.
[[nodiscard]] std::vector<Peer> list_peers(const Environment& environment, const CollectOptions& options);

/// Asks every machine that we may log in to for its package, all at once. One that does not answer gets a 'trouble'. Throws
/// Error (verification failed) with all that is wrong if one answers nonsense, shows a certificate that is not the one in the
/// vault or in a file, or that of another machine.
void collect(std::vector<Peer>& peers, const Environment& environment, const Ssh& ssh, const CollectOptions& options, Status& status);

/// The peer of that name, or nullptr.
[[nodiscard]] const Peer* find_peer(const std::vector<Peer>& peers, const std::string& name);

}  // namespace imgbuild
