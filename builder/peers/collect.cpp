#include <fmt/ranges.h>

#include <algorithm>

#include "keys/vault_public.h"
#include "peers/answers.h"
#include "peers/matrix.h"
#include "peers/parallel.h"
#include "peers/peer.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// All that a machine says that it must not, to be said at once.
class Refusals {
 public:
  void add(const std::string& text) { texts_.push_back(text); }
  void throw_if_any() const {
    if (!texts_.empty()) throw Error(ExitCode::verification_failed, "{}", fmt::join(texts_, "\n"));
  }

 private:
  std::vector<std::string> texts_;
};

/// What one machine answered.
struct Asked {
  Peer* peer;
  std::optional<PeerPackage> package;
  std::string refusal;
};

void read_file(std::vector<Peer>& peers, const Environment& environment, const fs::path& file, std::time_t now) {
  PeerPackage package = read_package(io::read_file(file, kMaxPackage),
                                     {.origin = file.native(), .environment = environment, .machine = {}, .now = now});
  const auto peer = std::ranges::find_if(peers, [&](const Peer& known) { return known.machine->name == package.hostname; });
  if (peer == peers.end()) {
    throw Error(ExitCode::bad_input, "{}: hostname: '{}' has a role that exchanges no packages", file.native(), package.hostname);
  }
  if (peer->package) throw Error(ExitCode::bad_input, "{}: hostname: a package of '{}' is given already", file.native(), package.hostname);
  peer->package = std::move(package);
}

/// The command's output, or nothing if there is a trouble now.
std::optional<std::string> ask(Asked& asked, const Ssh& ssh, std::vector<std::string> words) {
  words.insert(words.begin(), {"sudo", "-n", "eopeers"});
  const SshAnswer answer = ssh.run(*asked.peer->machine, {.words = std::move(words)});
  using enum SshAnswer::Outcome;
  const std::string& name = asked.peer->machine->name;
  if (answer.outcome == mistrusted || answer.outcome == too_long) asked.refusal = fmt::format("{}: {}", name, answer.problem);
  if (answer.outcome != answered || answer.exit_status != 0) {
    asked.peer->trouble = answer.problem;
    return std::nullopt;
  }
  return answer.out;
}

void ask_all(Asked& asked, const Environment& environment, const Ssh& ssh, const CollectOptions& options) {
  const std::string& name = asked.peer->machine->name;
  try {
    const std::optional<std::string> package = ask(asked, ssh, {"--show-mine"});
    if (!package) return;
    asked.package = read_package(*package, {.origin = name, .environment = environment, .machine = name, .now = options.now});
    if (options.installed == CollectOptions::Installed::leave) return;
    const std::optional<std::string> list = ask(asked, ssh, {"--list", "--json"});
    if (list) asked.peer->installed = read_installed(*list, name);
  } catch (const Error& error) {
    if (error.code() != ExitCode::bad_input) throw;
    asked.refusal = error.what();
  }
}

/// Throws nothing: what is wrong goes to 'refusals'.
void take_package(Asked& asked, const fs::path& vault, Refusals& refusals) {
  Peer& peer = *asked.peer;
  const std::string& name = peer.machine->name;
  if (!asked.package) return;
  const std::string& shown = asked.package->facts.fingerprint;
  if (peer.package && peer.package->facts.fingerprint != shown) {
    refusals.add(fmt::format("{}: shows another certificate than its package that was given as a file", name));
  }
  if (peer.machine->external == Machine::External::no) {
    const std::vector<std::string> held = vault_fingerprints(vault, name);
    if (!held.empty() && std::ranges::find(held, shown) == held.end()) {
      refusals.add(fmt::format("{}: shows a certificate with fingerprint {}, but the vault holds {} for it", name, shown,
                               fmt::join(held, ", ")));
    }
  }
  peer.package = std::move(asked.package);
}

/// Web machines may show one certificate together; nobody else may show that of another.
void check_distinct(const std::vector<Peer>& peers, Refusals& refusals) {
  for (auto one = peers.begin(); one != peers.end(); ++one) {
    for (auto other = peers.begin(); other != one; ++other) {
      if (!one->package || !other->package || (is_web(one->machine->role) && is_web(other->machine->role))) continue;
      if (one->package->facts.fingerprint == other->package->facts.fingerprint) {
        refusals.add(fmt::format("{}: shows the same certificate as '{}'", one->machine->name, other->machine->name));
      }
    }
  }
}

}  // namespace

std::vector<Peer> list_peers(const Environment& environment, const CollectOptions& options) {
  std::vector<Peer> peers;
  for (const Machine& machine : environment.machines) {
    if (peer_port(machine) == 0) continue;
    Peer peer = {.machine = &machine, .package = {}, .trouble = {}, .installed = {}};
    const bool leave = machine.external == Machine::External::yes && options.external == CollectOptions::External::leave_alone;
    if (leave) peer.access = Peer::Access::none;
    peers.push_back(std::move(peer));
  }
  for (const fs::path& file : options.packages) read_file(peers, environment, file, options.now);
  return peers;
}

void collect(std::vector<Peer>& peers, const Environment& environment, const Ssh& ssh, const CollectOptions& options, Status& status) {
  std::vector<Asked> asked;
  for (Peer& peer : peers) {
    if (peer.access == Peer::Access::ssh) asked.push_back({.peer = &peer, .package = {}, .refusal = {}});
  }
  std::vector<Asked*> all;
  for (Asked& one : asked) all.push_back(&one);
  for_each_at_once(all, "asking the machines for their packages", status,
                   [&](Asked& one) { ask_all(one, environment, ssh, options); });
  Refusals refusals;
  for (Asked& one : asked) {
    if (!one.refusal.empty()) refusals.add(one.refusal);
    take_package(one, vault_folder(environment), refusals);
  }
  check_distinct(peers, refusals);
  refusals.throw_if_any();
}

const Peer* find_peer(const std::vector<Peer>& peers, const std::string& name) {
  const auto found = std::ranges::find_if(peers, [&](const Peer& peer) { return peer.machine->name == name; });
  return found == peers.end() ? nullptr : &*found;
}

}  // namespace imgbuild
