#pragma once

#include <vector>

#include "build/manifest.h"
#include "inspect/compare.h"
#include "inspect/open_disk.h"

namespace imgbuild {

/// What of a disk differs outside its files: partition table, boot code, boot partitions, bytes between partitions, identities of
/// file systems. A disk may be larger than the manifest's, and its root partition with it: machines grow it at first boot.
[[nodiscard]] std::vector<Difference> check_layout(OpenDisk& disk, const Manifest& manifest);

}  // namespace imgbuild
