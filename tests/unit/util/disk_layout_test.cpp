#include "util/disk_layout.h"

#include <gtest/gtest.h>

#include "util/error.h"

namespace imgbuild {
namespace {

DiskLayout cloud_layout() {
  return {.disk_guid = "11111111-2222-3333-4444-555555555555",
          .partitions = {{.number = 14,
                          .type = "21686148-6449-6E6F-744E-656564454649",
                          .uuid = "AAAAAAAA-0000-0000-0000-000000000014",
                          .first_sector = 2048,
                          .sectors = 8192},
                         {.number = 1,
                          .type = "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
                          .uuid = "AAAAAAAA-0000-0000-0000-000000000001",
                          .name = "root",
                          .first_sector = 10240,
                          .sectors = 204800,
                          .attribute_bits = {2},
                          .content = Partition::Content::ext4,
                          .mount_point = "/",
                          .ext4 = {.uuid = "6c1d0d6e-0000-4000-8000-000000000001",
                                   .label = "cloudimg-rootfs",
                                   .features = {"extent", "has_journal"}}}}};
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(DiskLayout, SurvivesItsJson) {
  EXPECT_EQ(disk_layout_from_json(to_json(cloud_layout()), "base.json"), cloud_layout());
}

TEST(DiskLayout, NamesTheKeyThatIsMissingInJson) {
  EXPECT_EQ(message_of([] { (void)disk_layout_from_json(R"({"disk_guid": "x"})", "base.json"); }),
            "base.json: is no disk layout: [json.exception.out_of_range.403] key 'partitions' not found");
}

TEST(DiskLayout, FindsPartitionsByMountPoint) {
  const DiskLayout layout = cloud_layout();
  ASSERT_NE(find_mounted(layout, "/"), nullptr);
  EXPECT_EQ(find_mounted(layout, "/")->number, 1);
  EXPECT_EQ(find_mounted(layout, "/boot"), nullptr);
}

TEST(DiskLayout, GivesTheRootAllRoomOfALargerDiskInWholeMebibytes) {
  const DiskLayout fitted = fit_to_disk(cloud_layout(), 1_GiB);
  EXPECT_EQ(fitted.partitions.back().first_sector, 10240U);
  EXPECT_EQ(fitted.partitions.back().first_sector + fitted.partitions.back().sectors, 1023U * 2048U);
}

TEST(DiskLayout, RefusesADiskWithoutRoomForARoot) {
  EXPECT_EQ(message_of([] { (void)fit_to_disk(cloud_layout(), 32_MiB); }),
            "disk of 32 MiB is too small: its boot area and a root file system need 70 MiB");
}

}  // namespace
}  // namespace imgbuild
