#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "build/base_supply.h"
#include "build/cache.h"
#include "build/plan.h"
#include "tree/guest.h"
#include "util/command.h"
#include "util/host.h"
#include "util/status.h"

namespace imgbuild {

struct BuildOptions {
  BaseOptions base;
  enum class Rebuild { no, yes } rebuild = Rebuild::no;  ///< even if an intact image of this plan is there
  std::string proxy = {};                                ///< for packages; empty: none
  TreeBackend backend = TreeBackend::native;             ///< where the steps run
  GuestCommand::Network network = GuestCommand::Network::yes;  ///< no: packages come from the cache alone
  /// Role whose image of the same plan in the same folder is taken, though this role has one too; empty: any will do.
  std::string same_as = {};
};

/// The files of one image, complete and in their place.
struct BuiltImage {
  std::vector<std::filesystem::path> artifacts;  ///< in the order of the plan's formats
  std::filesystem::path manifest;
};

/// Makes the image of 'plan' in its output folder, or finds it there: one is found if a manifest of this role, or of another
/// one that shares the image, carries the plan's digest and every artifact its own. Another role's artifacts get a second
/// name (a hard link, or a copy where there are none). Reports every stage. Outputs appear last and complete; two runs for
/// the same image wait for each other.
/// Throws Error: host unfit, network, verification failed, step failed; Interrupted. Old outputs stay untouched then.
[[nodiscard]] BuiltImage build_image(const Plan& plan, const Cache& cache, const BuildOptions& options,
                                     CommandRunner& runner, Status& status);

}  // namespace imgbuild
