#pragma once

#include "build/base_supply.h"
#include "build/cache.h"
#include "build/plan.h"
#include "util/host.h"

namespace imgbuild {

/// What making 'plan' wants of this host: less when the base is in the cache already.
[[nodiscard]] HostRequest host_needs(const Plan& plan, const Cache& cache);

/// Checks the host for a plan and returns where its steps will run. Throws Error (host unfit) with every failed check and
/// its cure.
[[nodiscard]] TreeBackend require_host(const Plan& plan, const Cache& cache, CommandRunner& runner, Status& status);

}  // namespace imgbuild
