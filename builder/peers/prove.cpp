#include "peers/prove.h"

#include <algorithm>

#include "peers/answers.h"
#include "peers/matrix.h"
#include "peers/parallel.h"
#include "util/error.h"

namespace imgbuild {
namespace {

constexpr std::chrono::seconds kProveTimeout{180};

/// What one machine found.
struct Tried {
  Peer* peer;
  std::vector<ProvenLink> links;
  std::string nonsense;  ///< why its answer can't be believed
};

void try_links(Tried& tried, const Ssh& ssh) {
  Peer& peer = *tried.peer;
  const SshAnswer answer =
      ssh.run(*peer.machine, {.words = {"sudo", "-n", "eopeers", "--prove", "--json"}, .timeout = kProveTimeout});
  const bool has_proof = answer.outcome == SshAnswer::Outcome::answered && answer.exit_status <= 1 && !answer.out.empty();
  if (!has_proof) {  // exit status 1: one link is not proven
    peer.trouble = answer.problem.empty() ? "said nothing" : answer.problem;
    return;
  }
  try {
    tried.links = read_proof(answer.out, peer.machine->name);
  } catch (const Error& error) {
    tried.nonsense = error.what();
  }
}

/// Whether 'name' is one of the names with commas between them.
bool is_among(const std::string& name, const std::string& names) {
  return ("," + names + ",").find("," + name + ",") != std::string::npos;
}

void judge(Link& link, const Tried& tried) {
  const auto found = std::ranges::find_if(tried.links, [&](const ProvenLink& proven) { return proven.peer == link.to; });
  link.verdict = Link::Verdict::failed;
  if (!tried.nonsense.empty()) {
    link.problem = tried.nonsense;
  } else if (found == tried.links.end()) {
    link.problem = fmt::format("{} has not installed the package of {}", link.from, link.to);
  } else if (found->port != link.port) {
    link.problem = fmt::format("{} tried port {}", link.from, found->port);
  } else if (found->ok == ProvenLink::Ok::no) {
    link.problem = found->problem.empty() ? "no reason was given" : found->problem;
  } else if (!is_among(link.from, found->seen_as)) {
    link.problem = fmt::format("{} knows it as '{}'", link.to, found->seen_as);
  } else {
    link.verdict = Link::Verdict::proven;
  }
}

/// Why a link can't be proven now, whatever the machines say; empty: it can.
std::string obstacle(const Peer& from, const Peer& to) {
  for (const Peer* end : {&from, &to}) {
    if (!end->trouble.empty()) return end->machine->name + " could not be asked: " + end->trouble;
    if (!end->package) return "the package of " + end->machine->name + " is missing";
  }
  return from.access == Peer::Access::none ? "we can't log in to " + from.machine->name : "";
}

}  // namespace

std::vector<Link> prove(std::vector<Peer>& peers, const Environment& environment, const Ssh& ssh, Status& status) {
  std::vector<Tried> tried;
  std::vector<Tried*> all;
  for (Peer& peer : peers) tried.push_back({.peer = &peer, .links = {}, .nonsense = {}});
  for (Tried& one : tried) {
    if (one.peer->is_at_hand()) all.push_back(&one);
  }
  for_each_at_once(all, "proving the links", status, [&](Tried& one) { try_links(one, ssh); });
  std::vector<Link> links;
  for (const Tried& from : tried) {
    for (const Machine* to : peers_of(environment, *from.peer->machine)) {
      Link link = {.from = from.peer->machine->name, .to = to->name, .port = peer_port(*to), .problem = {}};
      link.problem = obstacle(*from.peer, *find_peer(peers, to->name));
      if (link.problem.empty()) judge(link, from);
      links.push_back(std::move(link));
    }
  }
  return links;
}

std::vector<std::string> differences(const std::vector<Peer>& peers, const Environment& environment) {
  std::vector<std::string> lines;
  for (const Peer& peer : peers) {
    if (!peer.is_at_hand()) continue;
    const std::string& name = peer.machine->name;
    std::map<std::string, std::string> left = peer.installed;
    for (const Machine* wanted : peers_of(environment, *peer.machine)) {
      const auto installed = left.extract(wanted->name);
      const Peer& other = *find_peer(peers, wanted->name);
      if (installed.empty()) {
        lines.push_back(fmt::format("{}: has not installed the package of '{}'", name, wanted->name));
      } else if (other.package && installed.mapped() != other.package->facts.fingerprint) {
        lines.push_back(fmt::format("{}: has installed another certificate of '{}' than that shows", name, wanted->name));
      }
    }
    for (const auto& [stranger, fingerprint] : left) {
      lines.push_back(fmt::format("{}: has installed a package of '{}', with which it exchanges none", name, stranger));
    }
  }
  return lines;
}

}  // namespace imgbuild
