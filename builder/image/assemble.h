#pragma once

#include <cstdint>
#include <filesystem>

#include "util/command.h"
#include "util/disk_layout.h"
#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

/// What a disk is written from.
struct AssembleRequest {
  std::filesystem::path tree;       ///< root file system as files
  std::filesystem::path boot_area;  ///< raw bytes of the disk outside its ext4 partitions, at their places
  DiskLayout layout;                ///< as the base's disk had it
  ByteSize disk;                    ///< virtual size; the root partition takes what the others leave
  std::int64_t epoch;               ///< seconds since 1970, for every time stamp a file system has of its own
};

/// Writes a fresh raw disk to 'raw', which must not exist: the boot area copied, each ext4 partition made new from the
/// tree. The same request gives the same bytes. Sparse. Throws Error with the size needed if the tree does not fit.
void assemble(const AssembleRequest& request, const std::filesystem::path& raw, CommandRunner& runner, Status& status);

}  // namespace imgbuild
