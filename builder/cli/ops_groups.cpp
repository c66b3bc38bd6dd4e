#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/ops_files.h"

namespace imgbuild {
namespace {

/// https://www.cloudflare.com/ips, unchanged since 2021.
constexpr const char* kCloudflare[] = {
    "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22",  "103.31.4.0/22",   "141.101.64.0/18", "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20",
    "197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15",  "104.16.0.0/13",   "104.24.0.0/14",   "172.64.0.0/13",    "131.0.72.0/22",   "2400:cb00::/32",
    "2606:4700::/32",  "2803:f800::/32",  "2405:b500::/32",   "2405:8100::/32",  "2a06:98c0::/29",  "2c0f:f248::/32"};
constexpr unsigned kWebPorts[] = {80, 443, 8443};

std::vector<std::string> networks_of(const OpsInput& input, const PortRow& row, const PortSource& source) {
  if (!source.network.empty()) return {source.network};
  const bool is_web_port = std::ranges::find(kWebPorts, row.port) != std::end(kWebPorts);
  if (input.cloudflare == OpsInput::Cloudflare::yes && is_web_port) return {std::begin(kCloudflare), std::end(kCloudflare)};
  return {"0.0.0.0/0", "::/0"};
}

/// AWS takes at most 255 characters.
std::string description_of(const std::vector<std::string>& sources) {
  constexpr std::size_t kMost = 255;
  std::string text = fmt::format("from {}", fmt::join(sources, ", "));
  if (text.size() <= kMost) return text;
  const std::string others = fmt::format("from {} and {} others", sources.front(), sources.size() - 1);
  return others.size() <= kMost ? others : others.substr(0, kMost);
}

/// A way in, and who is known to come by it.
struct Way {
  IngressRule rule;
  std::vector<std::string> sources;
};

bool is_same(const IngressRule& one, const IngressRule& other) {
  return one.machine == other.machine && one.protocol == other.protocol && one.port == other.port &&
         one.to_port == other.to_port && one.network == other.network;
}

/// Two names may have one network, as an ops machine that is also the standby: to AWS that is one rule, and the second is refused.
void add_way(std::vector<Way>& ways, const IngressRule& rule, const std::string& source) {
  auto way = std::ranges::find_if(ways, [&](const Way& known) { return is_same(known.rule, rule); });
  if (way == ways.end()) way = ways.insert(ways.end(), {.rule = rule, .sources = {}});
  if (std::ranges::find(way->sources, source) == way->sources.end()) way->sources.push_back(source);
}

bool is_ipv6(const std::string& network) { return network.find(':') != std::string::npos; }

/// Without the first a connection hangs whose path takes only smaller packets (RFC 1191, RFC 8201).
std::vector<IngressRule> icmp_rules(const Environment& environment, const Machine& machine) {
  constexpr unsigned kUnreachable = 3;
  constexpr unsigned kTooBigForOne = 4;  // the code of it that says so
  constexpr unsigned kPacketTooBig = 2;
  constexpr unsigned kEcho = 8;
  constexpr unsigned kEcho6 = 128;
  const char* const too_big = "packet too big";
  std::vector<IngressRule> rules = {
      {.machine = machine.name, .network = "0.0.0.0/0", .protocol = "icmp", .port = kUnreachable, .to_port = kTooBigForOne, .description = too_big},
      {.machine = machine.name, .network = "::/0", .protocol = "icmpv6", .port = kPacketTooBig, .to_port = 0, .description = too_big}};
  for (const std::string& network : environment.ops_networks) {
    const bool is_six = is_ipv6(network);
    rules.push_back({.machine = machine.name, .network = network, .protocol = is_six ? "icmpv6" : "icmp", .port = is_six ? kEcho6 : kEcho, .to_port = 0,
                     .description = "echo from ops"});
  }
  return rules;
}

}  // namespace

std::vector<IngressRule> ingress_rules(const OpsInput& input) {
  std::vector<Way> ways;
  for (const PortRow& row : input.ports) {
    if (find_machine(input.environment, row.to)->external == Machine::External::yes) continue;
    for (const PortSource& source : row.from) {
      for (const std::string& network : networks_of(input, row, source)) {
        add_way(ways, {.machine = row.to, .network = network, .protocol = row.protocol, .port = row.port, .to_port = row.port, .description = {}}, source.name);
      }
    }
  }
  std::vector<IngressRule> rules;
  for (Way& way : ways) {
    way.rule.description = description_of(way.sources);
    rules.push_back(std::move(way.rule));
  }
  for (const Machine& machine : input.environment.machines) {
    if (machine.external == Machine::External::no) std::ranges::move(icmp_rules(input.environment, machine), std::back_inserter(rules));
  }
  return rules;
}

}  // namespace imgbuild
