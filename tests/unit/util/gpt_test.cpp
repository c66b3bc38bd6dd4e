#include "util/gpt.h"

#include <gtest/gtest.h>

#include "util/error.h"

namespace imgbuild {
namespace {

constexpr std::uint64_t kDiskSectors = 1 << 20;

DiskLayout two_partitions() {
  return {.disk_guid = "01234567-89AB-CDEF-0123-456789ABCDEF",
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
                          .sectors = 4096,
                          .attribute_bits = {2, 63}}}};
}

std::string refusal(std::string head, std::uint64_t sectors = kDiskSectors) {
  try {
    (void)read_gpt(head, sectors, "d.raw");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string head_of(const DiskLayout& layout) { return make_gpt(layout, kDiskSectors).head; }

TEST(Gpt, ReadsBackWhatItWrote) {
  EXPECT_EQ(read_gpt(head_of(two_partitions()), kDiskSectors, "d.raw"), two_partitions());
}

TEST(Gpt, WritesTheExpectedNumberOfSectorsAtBothEnds) {
  const GptBytes table = make_gpt(two_partitions(), kDiskSectors);
  EXPECT_EQ(table.head.size(), kGptHeadSectors * kSectorSize);
  EXPECT_EQ(table.tail.size(), kGptTailSectors * kSectorSize);
}

TEST(Gpt, RefusesADiskWithoutTable) {
  EXPECT_EQ(refusal(std::string(kGptHeadSectors * kSectorSize, '\0')), "d.raw: has no partition table");
}

TEST(Gpt, RefusesAnMbrTable) {
  std::string head = head_of(two_partitions());
  head[450] = '\x83';
  EXPECT_EQ(refusal(head), "d.raw: has an MBR partition table, only GPT is supported");
}

TEST(Gpt, RefusesADamagedHeader) {
  std::string head = head_of(two_partitions());
  head[kSectorSize + 60] = '!';
  EXPECT_EQ(refusal(head), "d.raw: its GPT header is damaged");
}

TEST(Gpt, RefusesDamagedEntries) {
  std::string head = head_of(two_partitions());
  head[2 * kSectorSize + 60] = '!';
  EXPECT_EQ(refusal(head), "d.raw: its GPT entries are damaged");
}

TEST(Gpt, RefusesATruncatedTable) {
  EXPECT_EQ(refusal("EFI PART"), "d.raw: is too short for a partition table");
}

TEST(Gpt, RefusesPartitionsThatOverlap) {
  DiskLayout layout = two_partitions();
  layout.partitions[1].first_sector = 4096;
  EXPECT_EQ(refusal(head_of(layout)), "d.raw: partition 1 overlaps another or the table");
}

TEST(Gpt, RefusesAPartitionBehindTheEndOfTheDisk) {
  EXPECT_EQ(refusal(head_of(two_partitions()), 12000), "d.raw: partition 1 ends behind the disk");
}

TEST(Gpt, RefusesToWriteAPartitionThatDoesNotFit) {
  try {
    (void)make_gpt(two_partitions(), 12000);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "partition 1: sectors 10240 to 14335 do not fit a disk of 12000 sectors");
  }
}

}  // namespace
}  // namespace imgbuild
