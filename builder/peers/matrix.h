#pragma once

#include <vector>

#include "recipe/environment.h"

namespace imgbuild {

/// The machines whose packages belong on 'machine', in the file's order: on an authority those of all other authorities and
/// of all web machines, on a web machine those of all authorities.
[[nodiscard]] std::vector<const Machine*> peers_of(const Environment& environment, const Machine& machine);

/// Where a machine takes connections of its peers, or 0 if its role has no peers: nginx asks for their certificate there.
[[nodiscard]] unsigned peer_port(const Machine& machine);

}  // namespace imgbuild
