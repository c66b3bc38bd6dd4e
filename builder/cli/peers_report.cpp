#include "cli/peers_report.h"

#include <fmt/format.h>

#include "cli/table.h"
#include "peers/fingerprint.h"

namespace imgbuild {
namespace {

const char* verdict_name(Link::Verdict verdict) {
  switch (verdict) {
    case Link::Verdict::proven: return "proven";
    case Link::Verdict::failed: return "failed";
    case Link::Verdict::not_tried: return "not tried";
  }
  return "";
}

}  // namespace

std::vector<std::string> package_lines(const Machine& machine, const PeerPackage& package) {
  std::vector<std::string> lines = {fmt::format("{}  {}  {}", machine.name, machine.role, package.ip_address)};
  for (const std::string& line : grouped_fingerprint(package.facts.fingerprint)) lines.push_back("    " + line);
  return lines;
}

std::vector<std::string> link_lines(const std::vector<Link>& links) {
  std::vector<std::vector<std::string>> cells = {{"from", "to", "port", "verdict"}};
  for (const Link& link : links) {
    const std::string reason = link.problem.empty() ? "" : ": " + link.problem;
    cells.push_back({link.from, link.to, std::to_string(link.port), verdict_name(link.verdict) + reason});
  }
  return table_lines(cells);
}

Json peers_json(const std::vector<Peer>& peers) {
  Json list = Json::array();
  for (const Peer& peer : peers) {
    const Machine& machine = *peer.machine;
    Json row = {{"name", machine.name}, {"role", machine.role}, {"external", machine.external == Machine::External::yes}};
    row["address"] = peer.package ? Json(peer.package->ip_address) : Json(nullptr);
    row["fingerprint"] = peer.package ? Json(peer.package->facts.fingerprint) : Json(nullptr);
    row["problem"] = peer.trouble;
    list.push_back(std::move(row));
  }
  return list;
}

Json links_json(const std::vector<Link>& links) {
  Json list = Json::array();
  for (const Link& link : links) {
    list.push_back({{"from", link.from},
                    {"to", link.to},
                    {"port", link.port},
                    {"verdict", verdict_name(link.verdict)},
                    {"problem", link.problem}});
  }
  return list;
}

Json installations_json(const std::vector<Installation>& installations) {
  Json list = Json::array();
  for (const Installation& installation : installations) {
    list.push_back({{"on", installation.on->machine->name}, {"new", installation.fresh}, {"problem", installation.trouble}});
  }
  return list;
}

std::vector<std::string> trouble_lines(const std::vector<Peer>& peers) {
  std::vector<std::string> lines;
  for (const Peer& peer : peers) {
    if (!peer.trouble.empty()) lines.push_back(fmt::format("{}: cannot be asked: {}", peer.machine->name, peer.trouble));
  }
  return lines;
}

std::vector<std::string> missing_packages(const std::vector<Peer>& peers) {
  std::vector<std::string> names;
  for (const Peer& peer : peers) {
    if (peer.access == Peer::Access::none && !peer.package) names.push_back(peer.machine->name);
  }
  return names;
}

}  // namespace imgbuild
