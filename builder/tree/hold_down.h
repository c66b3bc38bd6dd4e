#pragma once

#include <vector>

#include "tree/guest.h"
#include "util/grub.h"

namespace imgbuild {

/// Prepares the tree for programs that think they run on a live system: services are not started (policy-rc.d), no
/// PostgreSQL cluster is made, and of 'stand_ins' those whose original is there take its place.
void hold_down(Guest& guest, const std::vector<StandIn>& stand_ins);

/// Undoes hold_down.
void release(Guest& guest, const std::vector<StandIn>& stand_ins);

}  // namespace imgbuild
