#pragma once

#include "tree/apply.h"
#include "tree/package_lock.h"

/// A packages step in three parts, so that what it installs is known before it is done, and can be pinned. The third part
/// sees nothing but the files of the lock, so it gives the same bytes whether the lock was made just now or years ago.
namespace imgbuild {

/// What `step` would install on the tree now: updates the package lists over the network, asks apt. Lists are updated once for
/// each 'context.work': all steps of a build choose from the same ones. Changes nothing in the tree. Throws Error: bad input
/// (an unknown package), network, verification failed, step failed.
[[nodiscard]] PackageLock resolve_packages(Guest& guest, const PackagesStep& step, const StepContext& context, Status& status);

/// Puts the package files into the store: those missing are downloaded, several at once, and verified. Network only if one is
/// missing; a file that another build downloads just now is waited for. Throws Error: network, verification failed.
void fetch_packages(const PackageLock& lock, const StepContext& context, Status& status);

/// The packages whose files are not in the store, or damaged there.
[[nodiscard]] PackageLock missing_packages(const PackageLock& lock, const StepContext& context);

/// Does the step with exactly these packages. No network. Throws Error: step failed (the lock does not fit the step and the
/// tree, or apt failed), verification failed (a file is missing or is not what the lock says).
void install_packages(Guest& guest, const PackagesStep& step, const PackageLock& lock, const StepContext& context, Status& status);

}  // namespace imgbuild
