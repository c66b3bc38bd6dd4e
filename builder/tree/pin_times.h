#pragma once

#include <cstdint>

#include "util/root_folder.h"

namespace imgbuild {

/// Cuts the times of everything in a tree at 'epoch' (seconds since 1970). Names of one file stay names of one file, on overlayfs too:
/// there a change of a lower layer's file reaches only the name that it was made through. Throws Error (step failed).
void pin_times(const RootFolder& root, std::int64_t epoch);

}  // namespace imgbuild
