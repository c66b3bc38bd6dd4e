#pragma once

#include <filesystem>

namespace imgbuild {

/// Writes the raw disk as qcow2 (version 3, clusters of 64 KiB, each compressed with zstd), on all processors. Clusters of
/// zeros are left out, holes of 'raw' are not read. The same disk gives the same bytes. 'out' must not exist; the length of
/// 'raw' must be a multiple of 512. Read by QEMU >= 5.1. Throws Error, Interrupted.
/// Format: QEMU, docs/interop/qcow2.txt.
void write_qcow2(const std::filesystem::path& raw, const std::filesystem::path& out);

}  // namespace imgbuild
