#include "peers/install.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "peers/fingerprint.h"
#include "peers/matrix.h"
#include "peers/parallel.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kInstallTimeout{180};

Installation installation_on(Peer& on, const std::vector<Peer>& peers, const Environment& environment) {
  Installation installation = {.on = &on, .packages = {}, .fresh = {}, .keystore = {}, .trouble = {}};
  for (const Machine* machine : peers_of(environment, *on.machine)) {
    const Peer* peer = find_peer(peers, machine->name);
    if (!peer->package) continue;
    installation.packages.push_back(&*peer->package);
    const auto installed = on.installed.find(machine->name);
    const bool is_there = installed != on.installed.end() && installed->second == peer->package->facts.fingerprint;
    if (!is_there) installation.fresh.push_back(machine->name);
  }
  return installation;
}

void install_one(Installation& installation, const Ssh& ssh) {
  SshRequest request = {.words = {"sudo", "-n", "eopeers", "--install", "-"}, .timeout = kInstallTimeout};
  for (const PeerPackage* package : installation.packages) {
    request.words.insert(request.words.end(), {"--fingerprint", package->hostname + '=' + package->facts.fingerprint});
    request.input += package_line(*package) + '\n';
  }
  if (installation.keystore) request.words.insert(request.words.end(), {"--keystore", *installation.keystore});
  const SshAnswer answer = ssh.run(*installation.on->machine, request);
  if (answer.outcome != SshAnswer::Outcome::answered) installation.on->trouble = answer.problem;
  if (!answer.problem.empty()) installation.trouble = answer.problem;
}

std::string instructions_for(const Peer& peer, const std::vector<Peer>& peers, const Environment& environment) {
  std::vector<std::string> files;
  std::vector<std::string> missing;
  for (const Machine* machine : peers_of(environment, *peer.machine)) {
    std::vector<std::string>& list = find_peer(peers, machine->name)->package ? files : missing;
    list.push_back(&list == &files ? machine->name + ".pkg" : machine->name);
  }
  std::string text = fmt::format("{} of deployment '{}'\n\n", peer.machine->name, environment.deployment);
  text += fmt::format("1. Copy these files into the machine, and there run:\n\n     sudo eopeers --install {}\n\n", fmt::join(files, " "));
  text += "   It shows the fingerprint of each certificate. Say yes only when the owner of that machine has read the same\n"
          "   fingerprint to you, on a way that does not go through whoever sent you these files.\n\n";
  text += "2. sudo eopeers --show-mine > " + peer.machine->name + ".pkg   and send that file back.\n\n";
  text += "3. When the others have installed it: sudo eopeers --prove   tries every connection.\n";
  if (!missing.empty()) text += fmt::format("\nStill to come: {}\n", fmt::join(missing, ", "));
  return text;
}

}  // namespace

std::vector<Installation> missing_installations(std::vector<Peer>& peers, const Environment& environment,
                                                const std::optional<std::string>& keystore) {
  std::vector<Installation> missing;
  for (Peer& peer : peers) {
    if (!peer.is_at_hand()) continue;
    Installation installation = installation_on(peer, peers, environment);
    if (is_web(peer.machine->role)) installation.keystore = keystore;
    if (installation.packages.empty() || (installation.fresh.empty() && !installation.keystore)) continue;
    missing.push_back(std::move(installation));
  }
  return missing;
}

std::vector<const PeerPackage*> fresh_packages(const std::vector<Peer>& peers, const std::vector<Installation>& installations) {
  std::vector<const PeerPackage*> fresh;
  for (const Peer& peer : peers) {
    const bool is_fresh = std::ranges::any_of(installations, [&](const Installation& installation) {
      return std::ranges::find(installation.fresh, peer.machine->name) != installation.fresh.end();
    });
    if (is_fresh) fresh.push_back(&*peer.package);
  }
  return fresh;
}

void install(std::vector<Installation>& installations, const Ssh& ssh, Status& status) {
  std::vector<Installation*> all;
  for (Installation& installation : installations) all.push_back(&installation);
  for_each_at_once(all, "installing the packages", status, [&](Installation& installation) { install_one(installation, ssh); });
}

std::vector<fs::path> write_packages(const std::vector<Peer>& peers, const fs::path& folder) {
  io::make_directories(folder, 0755);
  std::vector<fs::path> paths;
  for (const Peer& peer : peers) {
    if (!peer.package) continue;
    paths.push_back(folder / (peer.machine->name + ".pkg"));
    io::write_file(paths.back(), package_line(*peer.package) + '\n', 0644);
  }
  return paths;
}

std::vector<fs::path> write_instructions(const std::vector<Peer>& peers, const Environment& environment, const fs::path& folder) {
  io::make_directories(folder, 0755);
  std::vector<fs::path> paths;
  for (const Peer& peer : peers) {
    if (peer.access == Peer::Access::ssh) continue;
    paths.push_back(folder / (peer.machine->name + ".txt"));
    io::write_file(paths.back(), instructions_for(peer, peers, environment), 0644);
  }
  return paths;
}

}  // namespace imgbuild
