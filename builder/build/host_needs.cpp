#include "build/host_needs.h"

#include <algorithm>

#include "build/deployment.h"
#include "util/error.h"

namespace imgbuild {
namespace {

// Measured with web-master on Debian 12: a tree of 0.9 GiB, a raw disk with as much in it, 0.3 GiB of qcow2. A base to be
// made needs a tree, its archive and a disk besides.
constexpr ByteSize kBuildBytes = 2500_MiB;
constexpr ByteSize kBaseBytes = 3_GiB;
constexpr ByteSize kOutputBytes = 1_GiB;

}  // namespace

bool lacks_base(const std::vector<Plan>& plans, const Cache& cache) {
  return std::ranges::any_of(plans, [&](const Plan& plan) { return !load_base(cache.bases(), plan.base, BaseCheck::record); });
}

HostRequest host_needs(const std::vector<Plan>& plans, std::size_t parallel, const Cache& cache) {
  const bool has_base = !lacks_base(plans, cache);
  HostRequest request;
  request.cache = cache.root;
  request.cache_bytes = {kBuildBytes.bytes * parallel + (has_base ? 0 : kBaseBytes.bytes)};
  request.output = plans.front().output;
  for (const ImageGroup& group : image_groups(plans)) request.output_bytes.bytes += kOutputBytes.bytes * plans[group.front()].formats.size();
  request.appliance = has_base ? HostRequest::Want::no : HostRequest::Want::yes;
  return request;
}

TreeBackend require_host(const std::vector<Plan>& plans, std::size_t parallel, const Cache& cache, CommandRunner& runner,
                         Status& status) {
  const HostRequest request = host_needs(plans, parallel, cache);
  const HostFacts facts = gather_host_facts(request, runner, status);
  require_fit(judge_host(facts, request));
  const BackendChoice choice = choose_backend(facts);
  if (!choice.backend) throw Error(ExitCode::host_unfit, "no way to run steps on this host: {}", choice.why);
  if (*choice.backend == TreeBackend::libguestfs) status.note("steps run in the libguestfs appliance, which is slow: " + choice.why);
  return *choice.backend;
}

}  // namespace imgbuild
