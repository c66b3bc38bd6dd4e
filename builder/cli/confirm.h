#pragma once

#include <string>

namespace imgbuild {

/// True if there is a terminal to ask on.
[[nodiscard]] bool can_ask();

/// Asks on the terminal; true for y or yes. Throws Interrupted.
[[nodiscard]] bool confirm(const std::string& question);

}  // namespace imgbuild
