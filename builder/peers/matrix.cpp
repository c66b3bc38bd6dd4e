#include "peers/matrix.h"

namespace imgbuild {
namespace {

constexpr unsigned kAuthorityPort = 5000;
constexpr unsigned kWebPort = 14453;

bool is_authority(const Machine& machine) { return machine.role == kAuthorityRole; }

}  // namespace

std::vector<const Machine*> peers_of(const Environment& environment, const Machine& machine) {
  std::vector<const Machine*> peers;
  for (const Machine& other : environment.machines) {
    if (other.name == machine.name || peer_port(other) == 0 || peer_port(machine) == 0) continue;
    if (is_authority(machine) || is_authority(other)) peers.push_back(&other);
  }
  return peers;
}

unsigned peer_port(const Machine& machine) {
  if (is_authority(machine)) return kAuthorityPort;
  return is_web(machine.role) ? kWebPort : 0;
}

}  // namespace imgbuild
