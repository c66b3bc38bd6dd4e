#pragma once

#include <cstdint>
#include <string>

#include "image/disk_writer.h"
#include "image/raw.h"
#include "util/digest.h"

namespace imgbuild {

/// What stands after a disk of 'length' bytes; 'id' has 16 bytes.
[[nodiscard]] std::string vhd_footer(std::uint64_t length, const std::string& id);

/// Writes a disk as fixed VHD: as it is, padded to whole MiB (Azure takes no other), and a footer. Format: Microsoft, Virtual Hard
/// Disk Image Format Specification 1.0.
class VhdWriter {
 public:
  VhdWriter(OutputFile& file, std::uint64_t length);

  /// Looks at the digest.
  void add(const Piece& piece);
  void finish();

 private:
  OutputFile& file_;
  std::uint64_t length_;  // padded
  RawWriter raw_;
  Sha256 content_;
};

}  // namespace imgbuild
