#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/disk_writer.h"

namespace imgbuild {

/// Writes a disk as streamOptimized VMDK (grains of 64 KiB, each a zlib stream) into a file, from where that ends now, front to
/// back. Grains of zeros are left out. Format: VMware, Virtual Disk Format 5.0.
class VmdkWriter {
 public:
  VmdkWriter(OutputFile& file, std::uint64_t length);

  /// Looks at deflate_clusters.
  void add(const Piece& piece);
  void finish();

 private:
  void add_grain(std::uint64_t number, const std::string& deflated, std::string_view bytes);
  void append_table();
  /// Where the next byte goes, in sectors of this VMDK.
  [[nodiscard]] std::uint64_t sector() const { return (file_.size() - begin_) / 512; }
  [[nodiscard]] std::string header(std::uint64_t directory) const;

  OutputFile& file_;
  std::uint64_t begin_;  // of the VMDK in the file
  std::uint64_t sectors_;
  std::vector<std::uint32_t> tables_;  // sector of each grain table; 0: nowhere
  std::vector<std::uint32_t> grains_;  // sector of each grain of the table at hand; empty: none has anything yet
  std::uint64_t table_ = 0;            // its number
};

}  // namespace imgbuild
