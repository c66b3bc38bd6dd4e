#pragma once

#include <string>

#include "base/base.h"
#include "base/fetch.h"
#include "build/cache.h"
#include "util/command.h"
#include "util/guestfs.h"
#include "util/status.h"

namespace imgbuild {

/// How bases are got when the cache has none.
struct BaseOptions {
  FetchOptions fetch = {};      ///< of published images; its cache is filled in
  std::string mirror = {};      ///< package mirror for bootstrap; empty: this host's
  enum class Refresh { no, yes } refresh = Refresh::no;  ///< make it anew though the cache has it
};

/// How the libguestfs appliance is to be started here: not with a KVM that does not work.
[[nodiscard]] GuestfsOptions::Acceleration guestfs_acceleration(const Cache& cache, CommandRunner& runner, Status& status);

/// The base named (bootstrap, a published one, or the path of a disk image): from the cache, or made and put there.
/// Throws Error: network, verification failed, bad input (no such base, a disk that can't be used), host unfit.
[[nodiscard]] Base provide_base(const std::string& name, const Cache& cache, const BaseOptions& options,
                                CommandRunner& runner, Status& status);

}  // namespace imgbuild
