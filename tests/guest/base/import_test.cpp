#include "base/import.h"

#include <gtest/gtest.h>

#include "base/boot_loader.h"
#include "shared_base.h"
#include "util/disk_writer.h"
#include "util/error.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr std::chrono::sys_seconds kNewest{std::chrono::seconds(1700000000)};

/// The layout of Ubuntu 24.04's cloud images: as cloud_layout, with an ext4 /boot (partition 16) before the
/// root.
DiskLayout layout_with_boot() {
  DiskLayout layout = cloud_layout("import-test");
  Partition& root = layout.partitions.back();
  Partition boot = root;
  boot.number = 16;
  boot.uuid = "AAAAAAAA-0000-4000-8000-000000000016";
  boot.sectors = 131072;
  boot.mount_point = "/boot";
  boot.ext4.uuid = "6c1d0d6e-0000-4000-8000-000000000016";
  boot.ext4.label = "BOOT";
  root.first_sector += boot.sectors;
  root.sectors -= boot.sectors;
  layout.partitions.insert(layout.partitions.end() - 1, boot);
  return layout;
}

class Import : public testing::Test {
 protected:
  /// A small system with everything a tree can hold.
  fs::path make_tree() {
    const fs::path tree = work_.path() / "tree";
    for (const char* folder : {"etc", "boot/efi", "usr/bin", "srv", "dev", "proc"})
      fs::create_directories(tree / folder);
    io::write_file(tree / "etc/os-release", "ID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n",
                   0644);
    io::write_file(tree / "etc/fstab",
                   "LABEL=cloudimg-rootfs / ext4 defaults 0 1\nLABEL=BOOT /boot ext4 defaults 0 2\n", 0644);
    io::write_file(tree / "boot/vmlinuz", "kernel", 0600);
    io::write_file(tree / "srv/owned", "owned", 0640);
    fs::copy_file("/usr/bin/dpkg", tree / "usr/bin/dpkg");
    fs::create_hard_link(tree / "srv/owned", tree / "srv/twin");
    fs::create_symlink("owned", tree / "srv/link");
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"chown", "1234:5678", "srv/owned"},
                                               {"chmod", "4755", "usr/bin/dpkg"},
                                               {"setfattr", "-n", "user.note", "-v", "kept", "srv/owned"},
                                               {"setcap", "cap_net_raw+ep", "usr/bin/dpkg"},
                                               {"setfacl", "-m", "u:4321:r", "etc/fstab"},
                                               {"chmod", "1777", "srv"}}) {
      (void)run_checked(
          runner_,
          {.program = command.front(), .arguments = {command.begin() + 1, command.end()}, .directory = tree});
    }
    pin_times(tree, kNewest);
    return tree;
  }

  /// A disk with this layout and tree; its boot area holds recognizable bytes.
  fs::path make_disk(const DiskLayout& layout, const fs::path& tree) {
    const fs::path raw = work_.path() / "disk.raw";
    const io::File file = io::create_exclusive(raw, 0600);
    io::set_length(file, 2_GiB);
    io::write_all_at(file, "boot code", 0);
    io::write_all_at(file, "core image", 2048 * kSectorSize);
    io::write_all_at(file, "firmware files", 200000 * kSectorSize);
    write_partition_table(raw, layout);
    for (const Partition& partition : layout.partitions) {
      if (partition.content != Partition::Content::ext4) continue;
      make_ext4(runner_, raw, layout, partition, {.root = tree, .newest = kNewest});
    }
    return raw;
  }

  ImportOptions options(const fs::path& disk) {
    return {.disk = disk,
            .name = "imported",
            .bases = work_.path() / "bases",
            .work = work_.path(),
            .acceleration = test_acceleration()};
  }

  std::string refusal(const fs::path& disk) {
    try {
      (void)import_disk(options(disk), runner_, status_);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input) << error.describe();
      const std::string message = error.what();
      return message.substr(message.find("': ") + 3);
    }
    return "accepted";
  }

  /// Overwrites the start of the root partition.
  void overwrite_root(const fs::path& disk, const DiskLayout& layout, std::string_view bytes,
                      std::uint64_t offset) {
    io::write_all_at(io::open_for_update(disk), bytes,
                     layout.partitions.back().first_sector * kSectorSize + offset);
  }

  io::TemporaryDirectory work_{test_folder(), "import"};
  SystemCommandRunner runner_;
  PrintedStatus status_;
};

TEST_F(Import, KeepsTreeLayoutAndBootAreaOfAQcow2WithABootPartition) {
  const fs::path tree = make_tree();
  const DiskLayout layout = layout_with_boot();
  const fs::path raw = make_disk(layout, tree);
  const fs::path disk = work_.path() / "disk.qcow2";
  (void)run_checked(runner_,
                    {.program = "qemu-img",
                     .arguments = {"convert", "-f", "raw", "-O", "qcow2", raw.native(), disk.native()}});

  const Base base = import_disk(options(disk), runner_, status_);

  EXPECT_EQ(base.layout, layout);
  EXPECT_EQ(base.distribution, "ubuntu");
  EXPECT_EQ(base.release, "24.04");
  EXPECT_EQ(base.architecture, "amd64");
  const std::string boot = io::read_file(base.boot(), 1_GiB);
  EXPECT_EQ(boot.substr(0, 9), "boot code");
  EXPECT_EQ(boot.substr(2048 * kSectorSize, 10), "core image");
  EXPECT_EQ(boot.substr(200000 * kSectorSize, 14), "firmware files");
  EXPECT_EQ(base.tree_sha256, archive_tree(tree, work_.path() / "expected.tar"));
}

TEST_F(Import, TakesADiskWithoutBootPartition) {
  const DiskLayout layout = cloud_layout("import-test");
  const Base base = import_disk(options(make_disk(layout, make_tree())), runner_, status_);
  EXPECT_EQ(base.layout, layout);
}

TEST_F(Import, RefusesAnEncryptedRoot) {
  const DiskLayout layout = cloud_layout("import-test");
  const fs::path disk = work_.path() / "disk.raw";
  io::set_length(io::create_exclusive(disk, 0600), 2_GiB);
  write_partition_table(disk, layout);
  std::string header("LUKS\xba\xbe\0\1", 8);
  header.resize(168);
  header += "6c1d0d6e-0000-4000-8000-000000000001";
  overwrite_root(disk, layout, header, 0);
  EXPECT_EQ(refusal(disk), "partition 1 holds an encrypted volume (LUKS), which is not supported");
}

TEST_F(Import, RefusesABtrfsRoot) {
  const DiskLayout layout = cloud_layout("import-test");
  const fs::path disk = work_.path() / "disk.raw";
  io::set_length(io::create_exclusive(disk, 0600), 2_GiB);
  write_partition_table(disk, layout);
  const fs::path volume = work_.path() / "volume";
  io::set_length(io::create_exclusive(volume, 0600), 128_MiB);
  (void)run_checked(runner_, {.program = "mkfs.btrfs", .arguments = {"-q", volume.native()}});
  overwrite_root(disk, layout, io::read_file(volume, 128_MiB).substr(0, 4 << 20), 0);
  EXPECT_EQ(refusal(disk), "partition 1 holds a btrfs file system, which is not supported");
}

TEST_F(Import, RefusesADamagedFileSystem) {
  const DiskLayout layout = cloud_layout("import-test");
  const fs::path disk = make_disk(layout, make_tree());
  overwrite_root(disk, layout, std::string(64 << 10, '\x5a'), 4096);
  EXPECT_EQ(refusal(disk), "the file system of partition 1 can't be mounted");
}

TEST_F(Import, RefusesADiskWithoutASystem) {
  const DiskLayout layout = cloud_layout("import-test");
  fs::create_directories(work_.path() / "tree/boot");
  EXPECT_EQ(refusal(make_disk(layout, work_.path() / "tree")),
            "no ext4 partition holds a system (/etc/os-release and /etc/fstab)");
}

TEST_F(Import, TakesARawDiskThatPretendsToBeAQcow2WithABackingFileForWhatItIs) {
  const DiskLayout layout = cloud_layout("import-test");
  const fs::path disk = make_disk(layout, make_tree());
  std::string header("QFI\xfb\0\0\0\3", 8);
  header += std::string("\0\0\0\0\0\0\1\0\0\0\0\x0b", 12);
  header.resize(256);
  header += "/etc/shadow";
  io::write_all_at(io::open_for_update(disk), header, 0);
  EXPECT_EQ(refusal(disk), "needs a backing file");
  ImportOptions raw = options(disk);
  raw.format = "raw";
  const Base base = import_disk(raw, runner_, status_);
  EXPECT_EQ(base.layout, layout);
  EXPECT_EQ(io::read_file(base.boot(), 1_GiB).substr(0, 4), "QFI\xfb");
}

}  // namespace
}  // namespace imgbuild
