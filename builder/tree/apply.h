#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "recipe/recipe.h"
#include "tree/guest.h"
#include "tree/hold_down.h"
#include "tree/package_lock.h"
#include "util/status.h"

namespace imgbuild {

/// What steps need besides the tree.
struct StepContext {
  std::filesystem::path package_cache;  ///< absolute; shared by all builds; made if absent
  std::filesystem::path work;           ///< absolute; this build's own folder for temporaries, best on the same disk
  std::string proxy = {};               ///< for packages, such as "http://proxy:3128"; empty: none
  std::vector<StandIn> stand_ins = {};  ///< grub_stand_ins of the disk the tree will be on
  const PackageLock* lock = nullptr;    ///< what a packages step is to install; null: what apt chooses now
  GuestCommand::Network network = GuestCommand::Network::yes;  ///< no: files of the lock are taken from the cache alone
  PackageLock* installed = nullptr;     ///< gets what a packages step installed; null: nobody asks
};

/// Applies one step to the tree and reports it as one stage. Throws Error: bad input (an unknown package, a payload
/// with another digest: verification failed), network (a mirror that is down), step failed (with the last 20 lines).
/// After an exception the tree is worth nothing and must be thrown away.
void apply(Guest& guest, const Step& step, const StepContext& context, Status& status);

void apply(Guest& guest, const PackagesStep& step, const StepContext& context, Status& status);
void apply(Guest& guest, const OverlayStep& step, const StepContext& context, Status& status);
void apply(Guest& guest, const PayloadStep& step, const StepContext& context, Status& status);
void apply(Guest& guest, const RunStep& step, const StepContext& context, Status& status);
void apply(Guest& guest, const ServicesStep& step, const StepContext& context, Status& status);

}  // namespace imgbuild
