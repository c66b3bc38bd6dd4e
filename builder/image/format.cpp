#include "image/format.h"

#include <algorithm>

#include "image/qcow2.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

void write_raw(const fs::path& raw, const fs::path& out, CommandRunner& runner) {
  run_checked(runner, {.program = "cp",
                       .arguments = {"--sparse=always", "--reflink=auto", "--", raw.native(), out.native()}});
}

}  // namespace

const std::vector<OutputFormat>& output_formats() {
  static const std::vector<OutputFormat> formats = {
      {.name = "qcow2", .extension = "qcow2", .write = [](const fs::path& raw, const fs::path& out, CommandRunner&) { write_qcow2(raw, out); }},
      {.name = "raw", .extension = "raw", .write = write_raw},
  };
  return formats;
}

const OutputFormat& find_format(const std::string& name) {
  const auto& formats = output_formats();
  const auto found = std::ranges::find(formats, name, &OutputFormat::name);
  if (found != formats.end()) return *found;
  std::string known;
  for (const OutputFormat& format : formats) known += (known.empty() ? "" : ", ") + format.name;
  throw Error(ExitCode::bad_input, "unknown format '{}', known are {}", name, known);
}

}  // namespace imgbuild
