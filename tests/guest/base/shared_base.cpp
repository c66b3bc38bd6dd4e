#include "shared_base.h"

#include "util/disk_writer.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;

fs::path write_disk(const Base& base, const fs::path& raw) {
  SystemCommandRunner runner;
  const io::TemporaryDirectory work(test_folder(), "tree");
  (void)extract_tree(base.tree(), work.path() / "tree", {.expected_sha256 = base.tree_sha256});
  const DiskLayout layout = fit_to_disk(base.layout, 3_GiB);
  io::set_length(io::create_exclusive(raw, 0600), 3_GiB);
  copy_boot_area(base.boot(), raw, layout);
  write_partition_table(raw, layout);
  for (const Partition& partition : layout.partitions) {
    if (partition.content != Partition::Content::ext4) continue;
    make_ext4(runner, raw, layout, partition, {.root = work.path() / "tree", .newest = base.made});
  }
  return raw;
}

}  // namespace imgbuild
