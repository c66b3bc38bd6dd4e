#pragma once

#include <string>
#include <vector>

namespace imgbuild {

/// Lines of text columns, each as wide as its widest cell, two spaces between them; no trailing spaces. The first row is
/// the heading.
[[nodiscard]] std::vector<std::string> table_lines(const std::vector<std::vector<std::string>>& rows);

}  // namespace imgbuild
