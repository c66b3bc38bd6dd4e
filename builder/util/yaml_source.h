#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "util/problems.h"

namespace imgbuild::yaml {

/// A place as parsers count it: from 0, the column in bytes. One outside the text is taken for its end.
struct Spot {
  int line = 0;
  int column = 0;
};

/// The text of a document and its places.
class Source {
 public:
  /// 'text' must outlive this.
  explicit Source(std::string_view text);

  /// The place as people count it.
  [[nodiscard]] Position position(Spot spot) const;
  /// The text from there to its end.
  [[nodiscard]] std::string_view from(Spot spot) const { return text_.substr(offset(spot)); }
  /// The character there, NUL at the end.
  [[nodiscard]] char character(Spot spot) const;
  /// A line, counted from 0, that the text has.
  [[nodiscard]] std::string_view line(int number) const;

 private:
  [[nodiscard]] std::size_t offset(Spot spot) const;

  std::string_view text_;
  std::vector<std::size_t> line_starts_;
};

/// Bytes of the quoted text that 'source' begins with, quotes included; nothing if it is never closed.
[[nodiscard]] std::optional<std::size_t> quoted_length(std::string_view source);

}  // namespace imgbuild::yaml
