#include "util/disk_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "util/digest.h"
#include "util/gpt.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr std::chrono::sys_seconds kNewest{std::chrono::seconds(1700000000)};

DiskLayout layout_with_boot() {
  const std::string linux_type = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
  const std::vector<std::string> features = {"dir_index",     "ext_attr",    "extent",
                                             "filetype",      "has_journal", "large_file",
                                             "metadata_csum", "orphan_file", "sparse_super"};
  return {
      .disk_guid = "01234567-89AB-CDEF-0123-456789ABCDEF",
      .partitions = {
          {.number = 14,
           .type = "21686148-6449-6E6F-744E-656564454649",
           .uuid = "AAAAAAAA-0000-0000-0000-000000000014",
           .first_sector = 2048,
           .sectors = 2048},
          {.number = 16,
           .type = linux_type,
           .uuid = "AAAAAAAA-0000-0000-0000-000000000016",
           .first_sector = 4096,
           .sectors = 32768,
           .content = Partition::Content::ext4,
           .mount_point = "/boot",
           .ext4 = {.uuid = "6c1d0d6e-0000-4000-8000-000000000016", .label = "BOOT", .features = features}},
          {.number = 1,
           .type = linux_type,
           .uuid = "AAAAAAAA-0000-0000-0000-000000000001",
           .first_sector = 36864,
           .sectors = 65536,
           .content = Partition::Content::ext4,
           .mount_point = "/",
           .ext4 = {.uuid = "6c1d0d6e-0000-4000-8000-000000000001",
                    .label = "cloudimg-rootfs",
                    .features = features}}}};
}

class DiskWriter : public testing::Test {
 protected:
  /// A tree whose files were made in the order given.
  fs::path make_tree(const std::string& name, std::vector<int> order) {
    const fs::path root = work_.path() / name;
    fs::create_directories(root / "boot");
    fs::create_directories(root / "etc");
    for (const int number : order) {
      io::write_file(root / "etc" / fmt::format("file{}", number), fmt::format("content {}", number), 0644);
    }
    io::write_file(root / "boot/vmlinuz", "kernel", 0644);
    const timespec old_time[2] = {{1600000000, 0}, {1600000000, 0}};
    EXPECT_EQ(::utimensat(AT_FDCWD, (root / "etc/file1").c_str(), old_time, 0), 0);
    return root;
  }

  fs::path make_disk(const std::string& name, const fs::path& tree) {
    const fs::path raw = work_.path() / name;
    io::set_length(io::create_exclusive(raw, 0600), 64_MiB);
    write_partition_table(raw, layout_);
    for (const Partition& partition : layout_.partitions) {
      if (partition.content == Partition::Content::ext4) {
        make_ext4(runner_, raw, layout_, partition, {.root = tree, .newest = kNewest});
      }
    }
    return raw;
  }

  /// What debugfs says about partition 'index' of a disk.
  std::string debugfs(const fs::path& raw, std::size_t index, const std::string& request) {
    const std::string image =
        fmt::format("{}?offset={}", raw.native(), layout_.partitions[index].first_sector * kSectorSize);
    const CommandResult result = runner_.run({.program = "debugfs", .arguments = {"-R", request, image}});
    return result.out + result.err;
  }

  io::TemporaryDirectory work_{fs::temp_directory_path(), "disk-writer-test"};
  SystemCommandRunner runner_;
  DiskLayout layout_ = layout_with_boot();
};

TEST_F(DiskWriter, GivesTheSameBytesWhateverTheOrderAndTimeTheTreeWasMade) {
  std::vector<int> order;
  for (int number = 1; number <= 60; ++number) order.push_back(number);
  const fs::path first = make_disk("a.raw", make_tree("a", order));
  std::reverse(order.begin(), order.end());
  const fs::path second = make_disk("b.raw", make_tree("b", order));
  EXPECT_EQ(sha256_file(first), sha256_file(second));
}

TEST_F(DiskWriter, GivesTheSameBytesWhereverTheProgramLies) {
  const fs::path first = make_disk("a.raw", make_tree("a", {1, 2, 3}));
  const fs::path elsewhere = work_.path() / "with spaces: and more";
  fs::create_directory(elsewhere);
  fs::copy_file(fs::read_symlink("/proc/self/exe").parent_path() / "mke2fs_preload.so", elsewhere / "mke2fs_preload.so");
  ::setenv("IMGBUILD_LIBEXEC", elsewhere.c_str(), 1);
  const fs::path second = make_disk("b.raw", make_tree("b", {3, 2, 1}));
  ::unsetenv("IMGBUILD_LIBEXEC");
  EXPECT_EQ(sha256_file(first), sha256_file(second));
}

TEST_F(DiskWriter, MakesFileSystemsThatFsckFindsClean) {
  const fs::path raw = make_disk("a.raw", make_tree("a", {1, 2}));
  for (const std::size_t index : {1U, 2U}) {
    const std::string image =
        fmt::format("{}?offset={}", raw.native(), layout_.partitions[index].first_sector * kSectorSize);
    EXPECT_EQ(runner_.run({.program = "e2fsck", .arguments = {"-f", "-n", image}}).exit_status, 0);
  }
}

TEST_F(DiskWriter, PutsWhatIsBelowAMountPointOnlyIntoItsOwnPartition) {
  const fs::path raw = make_disk("a.raw", make_tree("a", {1}));
  EXPECT_NE(debugfs(raw, 1, "cat /vmlinuz").find("kernel"), std::string::npos);
  EXPECT_NE(debugfs(raw, 2, "stat /boot").find("Type: directory"), std::string::npos);
  EXPECT_EQ(debugfs(raw, 2, "ls -p /boot").find("vmlinuz"), std::string::npos);
}

TEST_F(DiskWriter, KeepsOldTimesAndCutsNewOnes) {
  const fs::path raw = make_disk("a.raw", make_tree("a", {1, 2}));
  EXPECT_NE(debugfs(raw, 2, "stat /etc/file1").find("ctime: 0x5f5e1000"), std::string::npos);
  EXPECT_NE(debugfs(raw, 2, "stat /etc/file2").find("mtime: 0x6553f100"), std::string::npos);
}

TEST_F(DiskWriter, LeavesOutFeaturesOldBootLoadersRefuse) {
  const fs::path raw = make_disk("a.raw", make_tree("a", {1}));
  const std::string features = debugfs(raw, 2, "features");
  EXPECT_EQ(features.substr(0, features.find('\n')),
            "Filesystem features: has_journal ext_attr dir_index filetype extent sparse_super large_file "
            "metadata_csum");
}

TEST_F(DiskWriter, SaysThatTheTreeDoesNotFit) {
  const fs::path tree = make_tree("a", {1});
  io::write_file(tree / "etc/large", std::string(40 << 20, 'x'), 0644);
  try {
    (void)make_disk("a.raw", tree);
    FAIL() << "it fits";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "file system '/' of 32 MiB is too small for its files");
    EXPECT_EQ(error.hint(), "raise 'disk:' in the recipe");
  }
}

TEST_F(DiskWriter, WritesATableThatKeepsTheBootCode) {
  const fs::path raw = work_.path() / "a.raw";
  io::write_file(raw, std::string(kBootCodeSize, 'B'), 0600);
  io::set_length(io::open_for_update(raw), 64_MiB);
  write_partition_table(raw, layout_);
  const std::string head = io::read_file(raw, 64_MiB).substr(0, kGptHeadSectors * kSectorSize);
  EXPECT_EQ(head.substr(0, kBootCodeSize), std::string(kBootCodeSize, 'B'));
  EXPECT_EQ(read_gpt(head, 131072, "a.raw").partitions.size(), 3U);
}

TEST_F(DiskWriter, CopiesBootCodeAndBootPartitionsOnly) {
  const fs::path from = work_.path() / "from.raw";
  io::write_file(from, std::string(8 << 20, 'x'), 0600);
  const fs::path to = work_.path() / "to.raw";
  io::set_length(io::create_exclusive(to, 0600), 64_MiB);
  copy_boot_area(from, to, layout_);
  const std::string bytes = io::read_file(to, 64_MiB);
  EXPECT_EQ(bytes.find('\0'), kBootCodeSize);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 'x'), static_cast<long>(kBootCodeSize) + (1 << 20));
}

}  // namespace
}  // namespace imgbuild
