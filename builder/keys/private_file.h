#pragma once

#include <filesystem>
#include <optional>

#include "util/secret.h"

namespace imgbuild {

/// Throws Error (bad input) with the cure unless 'folder' is a real folder (no link) of ours that nobody else may enter.
void check_private_folder(const std::filesystem::path& folder);

/// The content of a secret file, nothing if it is absent. Throws Error (bad input) with the cure if it is a link, no
/// regular file, not ours, open to group or others, or longer than 64 KiB.
[[nodiscard]] std::optional<Secret> read_private_file(const std::filesystem::path& path);

}  // namespace imgbuild
