#include "build/boot_digests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/boot_loader.h"
#include "util/digest.h"

namespace imgbuild {
namespace {

/// Boot code, a bios-boot partition (2) and an ESP (3) of 4 sectors each, with an ext4 partition behind them.
DiskLayout layout() {
  return {.disk_guid = "",
          .partitions = {{.number = 2, .type = kBiosBootType, .first_sector = 4, .sectors = 4},
                         {.number = 3, .type = kEspType, .first_sector = 8, .sectors = 4},
                         {.number = 1, .type = kLinuxType, .first_sector = 12, .sectors = 4, .content = Partition::Content::ext4, .mount_point = "/"}}};
}

std::string disk(const char* fat) {
  std::string bytes(16 * kSectorSize, '\x11');
  std::string boot_sector(kSectorSize, '\0');
  boot_sector.replace(0, 3, "\xEB\x58\x90");
  boot_sector[11] = 0;
  boot_sector[12] = 2;  // 512 bytes a sector
  boot_sector[48] = 1;  // FSINFO
  boot_sector.replace(82, 8, fat);
  boot_sector.replace(510, 2, "\x55\xAA");
  return bytes.replace(8 * kSectorSize, kSectorSize, boot_sector);
}

std::map<std::string, std::string> digests(const std::string& bytes) {
  return boot_digests(layout(), [&](std::uint64_t offset, std::size_t size) { return bytes.substr(offset, size); });
}

/// Names of the digests that change when a byte does.
std::vector<std::string> changed(const char* fat, std::size_t pos) {
  std::string other = disk(fat);
  other[pos] = static_cast<char>(other[pos] ^ 1);
  std::vector<std::string> names;
  const std::map<std::string, std::string> before = digests(disk(fat));
  for (const auto& [name, digest] : digests(other)) {
    if (before.at(name) != digest) names.push_back(name);
  }
  return names;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BootDigests, AreOfBootCodeAndBootPartitions) {
  EXPECT_EQ(digests(disk("FAT32   ")).at("code"), sha256(std::string(440, '\x11')));
  EXPECT_EQ(digests(disk("FAT32   ")).at("2"), sha256(std::string(4 * kSectorSize, '\x11')));
  EXPECT_THAT(changed("FAT32   ", 439), ElementsAre("code"));
  EXPECT_THAT(changed("FAT32   ", 440), IsEmpty());
  EXPECT_THAT(changed("FAT32   ", 8 * kSectorSize - 1), ElementsAre("2"));
  EXPECT_THAT(changed("FAT32   ", 12 * kSectorSize - 1), ElementsAre("3"));
  EXPECT_THAT(changed("FAT32   ", 12 * kSectorSize), IsEmpty());
}

TEST(BootDigests, ForgetThatAnEspWasMounted) {
  constexpr std::size_t kEsp = 8 * kSectorSize;
  EXPECT_THAT(changed("FAT32   ", kEsp + 65), IsEmpty());
  EXPECT_THAT(changed("FAT32   ", kEsp + 64), ElementsAre("3"));
  EXPECT_THAT(changed("FAT32   ", kEsp + 66), ElementsAre("3"));
  EXPECT_THAT(changed("FAT32   ", kEsp + kSectorSize + 488), IsEmpty());
  EXPECT_THAT(changed("FAT32   ", kEsp + kSectorSize + 495), IsEmpty());
  EXPECT_THAT(changed("FAT32   ", kEsp + kSectorSize + 487), ElementsAre("3"));
  EXPECT_THAT(changed("FAT32   ", kEsp + kSectorSize + 496), ElementsAre("3"));
  EXPECT_THAT(changed("FAT16   ", kEsp + 37), IsEmpty());
  EXPECT_THAT(changed("FAT16   ", kEsp + 65), ElementsAre("3"));
}

}  // namespace
}  // namespace imgbuild
