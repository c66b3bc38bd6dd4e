#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "util/command.h"

namespace imgbuild {

/// One way to hand a disk out. A new format is a new row in format.cpp.
struct OutputFormat {
  std::string name;       ///< as in `formats:` and --format
  std::string extension;  ///< of the file, without a dot
  /// Writes 'out', which must not exist, from a sparse raw disk. The same disk gives the same bytes.
  void (*write)(const std::filesystem::path& raw, const std::filesystem::path& out, CommandRunner& runner);
};

/// All formats. Their names are those recipe/ accepts (a test compares them).
[[nodiscard]] const std::vector<OutputFormat>& output_formats();

/// The row of 'name'. Throws Error (bad input) for an unknown one.
[[nodiscard]] const OutputFormat& find_format(const std::string& name);

}  // namespace imgbuild
