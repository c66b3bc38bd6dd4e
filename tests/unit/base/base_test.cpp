#include "base/base.h"

#include <gtest/gtest.h>

#include "base/disk_examination.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class BaseCache : public testing::Test {
 protected:
  Base save(const std::string& name, const std::string& content, int made) {
    const fs::path tree = work_.path() / (name + std::to_string(made));
    fs::create_directories(tree / "etc");
    io::write_file(tree / "etc/os-release", content, 0644);
    const fs::path disk = tree.native() + ".raw";
    io::write_file(disk, "boot code", 0600);
    Base base{.name = name,
              .layout = {.disk_guid = "X"},
              .made = std::chrono::sys_seconds(std::chrono::seconds(made))};
    return save_base(bases_, {.base = base, .tree = tree, .disk = disk});
  }

  void spoil(const fs::path& file) {
    std::string bytes = io::read_file(file);
    bytes[bytes.size() / 2] ^= 1;
    fs::permissions(file, fs::perms::owner_all);
    io::write_all_at(io::open_for_update(file), bytes, 0);
  }

  io::TemporaryDirectory work_{fs::temp_directory_path(), "base-test"};
  fs::path bases_ = work_.path() / "bases";
};

TEST_F(BaseCache, LoadsWhatItSaved) {
  const Base saved = save("a", "one", 1);
  const std::optional<Base> loaded = load_base(bases_, "a");
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(to_json(*loaded), to_json(saved));
  EXPECT_EQ(loaded->folder.filename(), "a-" + saved.digest.substr(0, 16));
}

TEST_F(BaseCache, TakesAPathForAName) {
  const Base saved = save("a", "one", 1);
  Base named{.name = "/disks/My disk.qcow2", .layout = saved.layout};
  const Base base =
      save_base(bases_, {.base = named, .tree = work_.path() / "a1", .disk = work_.path() / "a1.raw"});
  EXPECT_TRUE(base.folder.filename().native().starts_with("_disks_My_disk.qcow2-"));
  EXPECT_TRUE(load_base(bases_, "/disks/My disk.qcow2").has_value());
}

TEST_F(BaseCache, LeavesNothingButTheBase) {
  (void)save("a", "one", 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(bases_), fs::directory_iterator{}), 1);
}

TEST_F(BaseCache, LoadsTheOneMadeLast) {
  (void)save("a", "one", 1);
  const Base second = save("a", "two", 2);
  EXPECT_EQ(load_base(bases_, "a")->digest, second.digest);
  EXPECT_EQ(list_bases(bases_).size(), 2U);
}

TEST_F(BaseCache, CountsASpoiltTreeAsAbsent) {
  spoil(save("a", "one", 1).tree());
  EXPECT_FALSE(load_base(bases_, "a").has_value());
}

TEST_F(BaseCache, CountsASpoiltBootAreaAsAbsent) {
  spoil(save("a", "one", 1).boot());
  EXPECT_FALSE(load_base(bases_, "a").has_value());
}

TEST_F(BaseCache, CountsASpoiltRecordAsAbsent) {
  spoil(save("a", "one", 1).folder / "base.json");
  EXPECT_FALSE(load_base(bases_, "a", BaseCheck::record).has_value());
}

TEST_F(BaseCache, FallsBackToAnOlderWholeOne) {
  const Base first = save("a", "one", 1);
  spoil(save("a", "two", 2).tree());
  EXPECT_EQ(load_base(bases_, "a")->digest, first.digest);
}

TEST_F(BaseCache, HasNothingWhereThereIsNoCache) {
  EXPECT_FALSE(load_base(bases_ / "absent", "a").has_value());
  EXPECT_TRUE(list_bases(bases_ / "absent").empty());
}

TEST(OsReleaseFile, GivesIdVersionAndCodename) {
  const OsRelease release =
      parse_os_release("NAME=\"U\"\nID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n", "f");
  EXPECT_EQ(release.id, "ubuntu");
  EXPECT_EQ(release.version_id, "24.04");
  EXPECT_EQ(release.codename, "noble");
}

TEST(Fstab, NamesMountPointsByLabelAndByIds) {
  const Partition partition{.uuid = "AB-CD", .ext4 = {.uuid = "11-22", .label = "BOOT"}};
  EXPECT_EQ(fstab_mount_point("# LABEL=BOOT /no\nLABEL=BOOT\t/boot\text4\n", partition), "/boot");
  EXPECT_EQ(fstab_mount_point("UUID=11-22 /boot ext4\n", partition), "/boot");
  EXPECT_EQ(fstab_mount_point("PARTUUID=AB-cd /boot ext4\n", partition), "/boot");
  EXPECT_EQ(fstab_mount_point("LABEL=OTHER /boot ext4\n", partition), "");
}

}  // namespace
}  // namespace imgbuild
