#pragma once

#include <cstddef>
#include <vector>

#include "build/base_supply.h"
#include "build/cache.h"
#include "build/plan.h"
#include "util/host.h"

namespace imgbuild {

/// What making 'plans' wants of this host, 'parallel' of them at once: less when the bases are in the cache already.
[[nodiscard]] HostRequest host_needs(const std::vector<Plan>& plans, std::size_t parallel, const Cache& cache);

/// True if the cache lacks the base of one of the plans.
[[nodiscard]] bool lacks_base(const std::vector<Plan>& plans, const Cache& cache);

/// Checks the host for plans and returns where its steps will run. Throws Error (host unfit) with every failed check and
/// its cure.
[[nodiscard]] TreeBackend require_host(const std::vector<Plan>& plans, std::size_t parallel, const Cache& cache,
                                       CommandRunner& runner, Status& status);

}  // namespace imgbuild
