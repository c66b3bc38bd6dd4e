#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild {

/// How many letters must be inserted, removed, changed or swapped with their neighbour to make 'b' of 'a'
/// (the optimal string alignment distance).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known word nearest to 'word' if it is near enough to be meant (a third of its letters wrong, at least
/// one allowed; case is ignored), else an empty one. Of equally near ones the first.
[[nodiscard]] std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

/// What follows "unknown key 'x'": ", did you mean 'y'?" or ", known are 'a', 'b'", or nothing when none is
/// known.
[[nodiscard]] std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace imgbuild
