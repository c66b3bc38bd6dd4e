#pragma once

#include <string>

#include "recipe/environment.h"

namespace imgbuild {

/// The machine of that name. Throws Error (bad input) with the nearest name if there is none.
[[nodiscard]] const Machine& require_machine(const Environment& environment, const std::string& name);

}  // namespace imgbuild
