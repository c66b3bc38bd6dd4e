#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "image/disk_writer.h"
#include "util/size.h"

namespace imgbuild {

/// One way to hand an image out. A new format is a new row in format.cpp.
struct OutputFormat {
  std::string name;       ///< as in `formats:` and --format
  std::string extension;  ///< of the file, without a dot
  ByteSize most_disk;     ///< what it can hold
  /// Begins 'out', which must not exist. Nothing: the format is made of the root tree, not of the disk (see archive_tree).
  DiskWriter (*open)(const DiskToWrite& disk, const std::filesystem::path& out);
};

/// All formats. Their names are those recipe/ accepts (a test compares them).
[[nodiscard]] const std::vector<OutputFormat>& output_formats();

/// The row of 'name'. Throws Error (bad input) for an unknown one.
[[nodiscard]] const OutputFormat& find_format(const std::string& name);

/// The formats that are asked for, names that stand for several resolved. Throws Error (bad input) if one is unknown, there
/// twice, or cannot hold a disk of this size.
[[nodiscard]] std::vector<std::string> choose_formats(const std::vector<std::string>& asked, ByteSize disk);

/// A file to be made of a disk.
struct FormatRequest {
  std::string format;
  std::filesystem::path out;
};

/// Reads the sparse raw disk once, writes all files on the way, and returns their SHA-256. Compresses on all processors; takes at
/// most 150 MB however large the disk is. The same disk and name give the same bytes. The files appear complete, or none does.
/// Throws Error, Interrupted.
[[nodiscard]] std::vector<std::string> write_formats(const std::filesystem::path& raw, const std::string& name,
                                                     const std::vector<FormatRequest>& requests);

}  // namespace imgbuild
