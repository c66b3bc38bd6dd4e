#include "util/grub.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "util/command.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

Partition ext4(int number, const std::string& mount_point, const std::string& uuid) {
  return {.number = number,
          .uuid = "AAAAAAAA-0000-0000-0000-00000000000" + std::to_string(number),
          .content = Partition::Content::ext4,
          .mount_point = mount_point,
          .ext4 = {.uuid = uuid}};
}

class GrubStandIns : public testing::Test {
 protected:
  /// What stand-in 'index' (0: grub-probe, 1: grub-mkrelpath) answers, or "exit N".
  std::string ask(std::size_t index, std::vector<std::string> arguments) {
    const fs::path script = work_.path() / "script";
    fs::remove(script);
    io::write_file(script, grub_stand_ins(layout_).at(index).content, 0755);
    const CommandResult result = runner_.run({.program = script.native(), .arguments = std::move(arguments)});
    return result.exit_status == 0 ? result.out : "exit " + std::to_string(result.exit_status);
  }

  io::TemporaryDirectory work_{fs::temp_directory_path(), "grub-test"};
  SystemCommandRunner runner_;
  DiskLayout layout_ = {.partitions = {ext4(3, "/boot", "11-bb"), ext4(1, "/", "22-aa")}};
};

TEST_F(GrubStandIns, AnswerTheDeviceOfAFolder) {
  EXPECT_EQ(ask(0, {"--target=device", "/"}), "/dev/disk/by-uuid/22-aa\n");
  EXPECT_EQ(ask(0, {"--target=device", "/boot/grub"}), "/dev/disk/by-uuid/11-bb\n");
}

TEST_F(GrubStandIns, AnswerTheFactsOfADevice) {
  EXPECT_EQ(ask(0, {"--device", "/dev/disk/by-uuid/22-aa", "--target=fs_uuid"}), "22-aa\n");
  EXPECT_EQ(ask(0, {"--device", "/dev/disk/by-uuid/22-aa", "--target=fs"}), "ext2\n");
  EXPECT_EQ(ask(0, {"--device", "/dev/disk/by-uuid/11-bb", "-t", "partuuid"}),
            "aaaaaaaa-0000-0000-0000-000000000003\n");
  EXPECT_EQ(ask(0, {"--device", "/dev/disk/by-uuid/11-bb", "--target=hints_string"}),
            "--hint-bios=hd0,gpt3 --hint-efi=hd0,gpt3 --hint-baremetal=ahci0,gpt3 \n");
  EXPECT_EQ(ask(0, {"--device", "/dev/disk/by-uuid/22-aa", "--target=abstraction"}), "");
}

TEST_F(GrubStandIns, KnowNoOtherDeviceAndNoOtherQuestion) {
  EXPECT_EQ(ask(0, {"--device", "/dev/sda1", "--target=fs"}), "exit 1");
  EXPECT_EQ(ask(0, {"--target=zero_check", "/"}), "exit 1");
}

TEST_F(GrubStandIns, MakePathsRelativeToTheirFileSystem) {
  EXPECT_EQ(ask(1, {"/boot/vmlinuz"}), "/vmlinuz\n");
  EXPECT_EQ(ask(1, {"/boot"}), "/\n");
  EXPECT_EQ(ask(1, {"/usr/share/x"}), "/usr/share/x\n");
}

TEST_F(GrubStandIns, NeedAFileForEachUuid) {
  EXPECT_EQ(grub_device_files(layout_),
            (std::vector<std::string>{"/dev/disk/by-uuid/11-bb", "/dev/disk/by-uuid/22-aa"}));
}

}  // namespace
}  // namespace imgbuild
