#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tree/tree_listing.h"
#include "util/size.h"

namespace imgbuild {

/// A file of the archive whose content is wanted too.
struct WantedContent {
  std::function<bool(const std::string& path)> is_wanted;                        ///< such as "/etc/hosts"
  std::function<void(const std::string& path, const std::string& bytes)> take;   ///< gets the first 4 MiB at most
};

/// What the tar archive (plain or zstd) of a tree holds, as tree_listing would list the tree; hard links are listed as the files
/// they lead to. Sockets are in no archive. Throws Error (bad input) if it is none, or damaged; Interrupted.
[[nodiscard]] std::vector<TreeRecord> archive_listing(const std::filesystem::path& tar, const WantedContent& wanted = {});

}  // namespace imgbuild
