#include "build/outputs.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// What exists must be a folder of its own.
void require_folder(const fs::path& path) {
  const fs::file_status status = fs::symlink_status(path);
  if (fs::is_symlink(status)) {
    throw Error(ExitCode::bad_input, "output folder '{}': is a symbolic link to '{}'", path.native(), fs::read_symlink(path).native())
        .set_hint("name the folder itself with -o");
  }
  if (fs::exists(status) && !fs::is_directory(status)) {
    throw Error(ExitCode::bad_input, "output folder '{}': is no folder", path.native()).set_hint("name another with -o");
  }
}

}  // namespace

void require_output_folder(const fs::path& root, const fs::path& output) {
  require_folder(root.has_filename() ? root : root.parent_path());  // "out/" would follow a link
  require_folder(output);
  fs::path existing = fs::absolute(output);
  while (!fs::exists(existing)) existing = existing.parent_path();
  if (::access(existing.c_str(), W_OK | X_OK) == 0) return;
  const int error = errno;
  throw Error(ExitCode::bad_input, "output folder '{}': cannot write to '{}': {}", output.native(), existing.native(), std::strerror(error))
      .set_hint("name another with -o");
}

}  // namespace imgbuild
