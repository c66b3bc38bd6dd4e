#include <fmt/format.h>

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

}  // namespace

std::vector<IngressRule> ingress_rules(const OpsInput& input) {
  std::vector<IngressRule> rules;
  for (const PortRow& row : input.ports) {
    if (find_machine(input.environment, row.to)->external == Machine::External::yes) continue;
    for (const PortSource& source : row.from) {
      for (const std::string& network : networks_of(input, row, source)) {
        rules.push_back({.machine = row.to, .network = network, .protocol = row.protocol, .port = row.port, .description = "from " + source.name});
      }
    }
  }
  return rules;
}

}  // namespace imgbuild
