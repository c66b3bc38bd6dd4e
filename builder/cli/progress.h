#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

/// Several works going on at once, each with a Status of its own.
class ProgressBoard {
 public:
  virtual ~ProgressBoard() = default;
  /// Of the work at this place in the names.
  [[nodiscard]] virtual Status& line(std::size_t number) = 0;
};

/// Writes to stderr: on a terminal one line per name, rewritten; else lines that begin with the name; as JSON events with
/// the name as "role".
[[nodiscard]] std::unique_ptr<ProgressBoard> make_board(ProgressMode mode, const std::vector<std::string>& names);

/// The one for terminals that know escape sequences.
[[nodiscard]] std::unique_ptr<ProgressBoard> make_live_board(const std::vector<std::string>& names);

}  // namespace imgbuild
