#pragma once

#include <span>
#include <string>

#include "tree/tree_listing.h"

namespace imgbuild {

/// What a machine may do to a path by running.
enum class Effect {
  rewrite,  ///< another content and time, under the same owner and mode
  replace,  ///< rewrite, or another owner, mode or link, or gone
  make,     ///< replace, or new
};

struct BootRow {
  const char* pattern;  ///< path with '*', '?', '[…]' in components; "/**" at the end: all below
  const char* types;    ///< what it must be: f file, d folder, l link
  Effect effect;
  const char* why;
};

/// All rows.
[[nodiscard]] std::span<const BootRow> boot_rows();

/// True if a row lets a machine turn 'expected' into 'found'; null: it is not there. Nothing lets a program appear that runs with the
/// rights of its owner (setuid, setgid, capabilities).
[[nodiscard]] bool may_become(const TreeRecord* expected, const TreeRecord* found);

}  // namespace imgbuild
