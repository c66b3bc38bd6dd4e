#include "image/assemble.h"

#include <chrono>

#include "util/disk_writer.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

void assemble(const AssembleRequest& request, const fs::path& raw, CommandRunner& runner, Status& status) {
  const DiskLayout layout = fit_to_disk(request.layout, request.disk);
  io::set_length(io::create_exclusive(raw, 0600), request.disk);
  copy_boot_area(request.boot_area, raw, layout);
  write_partition_table(raw, layout);
  const TreeSource source = {.root = request.tree, .newest = std::chrono::sys_seconds(std::chrono::seconds(request.epoch))};
  std::uint64_t done = 0;
  for (const Partition& partition : layout.partitions) {
    if (partition.content != Partition::Content::ext4) continue;
    status.progress(++done, 0, partition.mount_point);
    make_ext4(runner, raw, layout, partition, source);
  }
}

}  // namespace imgbuild
