#pragma once

#include <cstdint>
#include <vector>

#include "image/disk_writer.h"
#include "util/digest.h"

namespace imgbuild {

/// Writes a disk as dynamic VHDX with blocks of 1 MiB; those of zeros are left out. What qemu-img writes holds random identifiers.
/// The file's order must be 'anywhere', the file empty. Format: Microsoft, MS-VHDX.
class VhdxWriter {
 public:
  VhdxWriter(OutputFile& file, std::uint64_t length);

  /// Looks at the digest.
  void add(const Piece& piece);
  void finish();

 private:
  OutputFile& file_;
  std::uint64_t length_;
  std::vector<std::uint64_t> blocks_;  // the block allocation table
  Sha256 content_;
};

}  // namespace imgbuild
