#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "util/status.h"

namespace imgbuild {

/// What is done to the paths that match a row.
enum class Treatment {
  remove,        ///< with all below
  remove_file,   ///< unless it is a link
  remove_files,  ///< below the folder, however deep; folders stay with their owners
  empty_folder,  ///< all below, but not the folder; a link is left alone
  write,         ///< 'content', if it is there
  link,          ///< to 'content', if it is there
  dangling,      ///< links in the folder that lead nowhere are removed
};

struct GeneralizeRow {
  const char* pattern;  ///< path with '*', '?', '[…]' in components
  Treatment treatment;
  const char* content;  ///< for write and link, else nullptr
  const char* why;
};

/// All rows, in the order they are done.
[[nodiscard]] std::span<const GeneralizeRow> generalize_rows();

/// Makes a tree fit for being many machines, and the same for two builds: does all rows, removes sockets and FIFOs, sets
/// days of /etc/shadow and times of files, folders and links that lie after 'source_date_epoch' (seconds since 1970) to it.
/// That must lie before the build began, for times in between depend on the clock. The tree's folder is ours alone.
void generalize(const std::filesystem::path& tree, std::int64_t source_date_epoch, Status& status);

}  // namespace imgbuild
