#pragma once

#include "build/cache.h"
#include "util/command.h"
#include "util/status.h"

namespace imgbuild {

/// What the run will want of libguestfs once it is in the namespace.
enum class Appliance { unused, used };

/// Enters the user namespace that builds without root need; does nothing for root. An appliance that will be used is made
/// before: inside, supermin takes itself for root, fails to make device files, and the appliance does not start.
/// The cache must be open. Throws Error (host unfit).
void enter_build_namespace(const Cache& cache, Appliance appliance, CommandRunner& runner, Status& status);

}  // namespace imgbuild
