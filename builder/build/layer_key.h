#pragma once

#include <string>

#include "base/base.h"
#include "build/layer_store.h"
#include "build/plan.h"

namespace imgbuild {

/// Keys of layers: digests over all that decides what is in one, so that what has the same key is the same.

/// The base's tree itself. The release of imgbuild is in it, and so in every key.
[[nodiscard]] std::string base_layer_key(const Base& base);

/// What 'step' changes in the tree whose topmost layer is 'parent'. What that holds is in it too: a layer of packages made
/// again may hold newer ones, and what was made on the old ones does not fit on it.
[[nodiscard]] std::string layer_key(const Layer& parent, const PlannedStep& step);

}  // namespace imgbuild
