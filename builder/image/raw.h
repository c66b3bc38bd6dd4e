#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "image/disk_writer.h"

namespace imgbuild {

/// Writes a disk as it is, with holes for clusters of zeros, front to back.
class RawWriter {
 public:
  RawWriter(OutputFile& file, std::uint64_t length) : file_(file), length_(length) {}

  void add(const Piece& piece);
  void finish() { file_.append_zeros(length_ - file_.size()); }

 private:
  OutputFile& file_;
  std::uint64_t length_;
};

/// Writes a disk as it is, compressed: a zstd frame for each piece of 1 MiB, larger ones for zeros. `zstd -d` and all who read
/// frames one after the other (RFC 8878, 3.1) give the disk.
class RawZstWriter {
 public:
  RawZstWriter(OutputFile& file, std::uint64_t length) : file_(file), length_(length) {}

  /// Looks at zstd_frame.
  void add(const Piece& piece);
  void finish() { add_zeros_up_to(length_); }

 private:
  void add_zeros_up_to(std::uint64_t offset);

  OutputFile& file_;
  std::uint64_t length_;
  std::uint64_t done_ = 0;                             // bytes of the disk
  std::map<std::uint64_t, std::string> zero_frames_;  // by what they hold
};

}  // namespace imgbuild
