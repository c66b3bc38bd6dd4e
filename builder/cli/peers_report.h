#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "peers/install.h"
#include "peers/peer.h"
#include "peers/prove.h"

/// What the commands of `imgbuild peers` show.
namespace imgbuild {

using Json = nlohmann::ordered_json;

/// Name, role, address and fingerprint of a package, for people.
[[nodiscard]] std::vector<std::string> package_lines(const Machine& machine, const PeerPackage& package);

/// A table: from, to, port, verdict.
[[nodiscard]] std::vector<std::string> link_lines(const std::vector<Link>& links);

[[nodiscard]] Json peers_json(const std::vector<Peer>& peers);
[[nodiscard]] Json links_json(const std::vector<Link>& links);
/// What exchange has put where.
[[nodiscard]] Json installations_json(const std::vector<Installation>& installations);

/// "prod-a1: cannot be reached: REASON" for each machine that did not answer.
[[nodiscard]] std::vector<std::string> trouble_lines(const std::vector<Peer>& peers);

/// Machines that nobody was to ask and whose package was not given.
[[nodiscard]] std::vector<std::string> missing_packages(const std::vector<Peer>& peers);

}  // namespace imgbuild
