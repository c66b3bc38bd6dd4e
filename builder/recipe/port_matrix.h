#pragma once

#include <string>
#include <vector>

#include "recipe/environment.h"
#include "recipe/project.h"
#include "util/problems.h"

namespace imgbuild {

/// Who may connect. Networks are CIDRs; a single machine is a /32 or /128.
struct PortSource {
  std::string name;     ///< "world", "ops", "internal", or a machine's name
  std::string network;  ///< empty for the world
  bool operator==(const PortSource&) const = default;
};

/// A way into a machine.
struct PortRow {
  std::string to;  ///< machine
  unsigned port = 0;
  std::string protocol;             ///< tcp or udp
  std::vector<PortSource> from;     ///< at least one; the world is alone
  enum class Opens { always, when_ready } opens = Opens::when_ready;
  enum class Payload { no, yes } payload = Payload::no;  ///< a payload listens, not the appliance
  bool operator==(const PortRow&) const = default;
};

/// Every way into every machine, external ones too, in the order of machines and ports: what their firewalls let in. It is
/// computed as the machine does it (overlays/common, appliance/firewall.py), from the same files, which are found in the
/// overlays of each role's recipe: usr/lib/appliance/common.yml, roles.d/ROLE.yml and the parts/NAME.yml that it includes.
/// What is wrong in them goes to 'problems'; the matrix can be used if there are none. Throws Error (bad input) if a role
/// has no description.
[[nodiscard]] std::vector<PortRow> port_matrix(const Project& project, const Environment& environment, Problems& problems);

}  // namespace imgbuild
