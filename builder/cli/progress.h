#pragma once

#include <memory>
#include <string_view>

#include "util/status.h"

namespace imgbuild {

enum class ProgressMode {
  automatic,  ///< live on a terminal, else plain
  live,       ///< one line that is rewritten
  plain,      ///< a line when a stage begins, every ten seconds, and when it ends
  json,       ///< one object a line: {"event","stage","done","total","detail","seconds"}
};

/// A Status that writes to stderr. 'live' on a terminal without escape sequences (TERM=dumb) becomes plain.
[[nodiscard]] std::unique_ptr<Status> make_progress(ProgressMode mode);

}  // namespace imgbuild
