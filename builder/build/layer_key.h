#pragma once

#include <string>

#include "base/base.h"
#include "build/plan.h"

namespace imgbuild {

/// Keys of layers: digests over all that decides what is in one, so that what has the same key is the same.

/// The base's tree itself. The release of imgbuild is in it, and so in every key.
[[nodiscard]] std::string base_layer_key(const Base& base);

/// What 'step' changes in the layers up to the one with key 'parent'.
[[nodiscard]] std::string layer_key(const std::string& parent, const PlannedStep& step);

}  // namespace imgbuild
