#include "image/assemble.h"

#include <gtest/gtest.h>

#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

DiskLayout small_layout() {
  Partition boot = {.number = 14, .type = "21686148-6449-6E6F-744E-656564454649", .uuid = "11111111-1111-4111-8111-111111111111",
                    .name = "", .first_sector = 2048, .sectors = 8192};
  Partition root = {.number = 1, .type = "0FC63DAF-8483-4772-8E79-3D69D8477DE4", .uuid = "22222222-2222-4222-8222-222222222222",
                    .name = "", .first_sector = 10240, .sectors = 0};
  root.content = Partition::Content::ext4;
  root.mount_point = "/";
  root.ext4 = {.uuid = "33333333-3333-4333-8333-333333333333", .label = "cloudimg-rootfs",
               .features = {"dir_index", "extent", "filetype", "has_journal", "large_file", "sparse_super"}};
  return {.disk_guid = "44444444-4444-4444-8444-444444444444", .partitions = {boot, root}};
}

class Assemble : public ::testing::Test {
 protected:
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "assemble-test"};

  AssembleRequest request(const char* tree, ByteSize disk = 128_MiB) {
    io::make_directories(folder_.path() / tree / "etc", 0755);
    const fs::path boot = folder_.path() / "boot.raw";
    if (!fs::exists(boot)) {
      const io::File file = io::create_exclusive(boot, 0600);
      io::write_all_at(file, std::string(440, 'B'), 0);
      io::write_all_at(file, "core", 2048 * kSectorSize);
      io::set_length(file, ByteSize{10240 * kSectorSize});
    }
    return {.tree = folder_.path() / tree, .boot_area = boot, .layout = small_layout(), .disk = disk, .epoch = 1'700'000'000};
  }
  void put(const fs::path& path, const std::string& text) { io::write_file(folder_.path() / path, text, 0644); }
  std::string build(const AssembleRequest& asked, const char* name) {
    assemble(asked, folder_.path() / name, runner_, status_);
    return sha256_file(folder_.path() / name);
  }
  SystemCommandRunner runner_;
  SilentStatus status_;
};

TEST_F(Assemble, GivesTheSameBytesForTreesUnpackedInAnotherOrder) {
  const AssembleRequest first = request("first");
  const AssembleRequest second = request("second");
  for (const char* name : {"a", "b", "c"}) put(fs::path("first/etc") / name, name);
  for (const char* name : {"c", "a", "b"}) put(fs::path("second/etc") / name, name);
  for (const char* tree : {"first", "second"}) {
    for (const char* name : {"a", "b", "c", ""}) {
      fs::last_write_time(folder_.path() / tree / "etc" / name, fs::file_time_type::clock::from_sys(std::chrono::sys_seconds(std::chrono::seconds(1'600'000'000))));
    }
    fs::last_write_time(folder_.path() / tree, fs::file_time_type::clock::from_sys(std::chrono::sys_seconds(std::chrono::seconds(1'600'000'000))));
  }
  EXPECT_EQ(build(first, "first.raw"), build(second, "second.raw"));
}

TEST_F(Assemble, CopiesTheBootAreaToItsPlace) {
  const AssembleRequest asked = request("tree");
  (void)build(asked, "disk.raw");
  const std::string disk = io::read_file(folder_.path() / "disk.raw", 1_GiB);
  EXPECT_EQ(disk.substr(0, 440), std::string(440, 'B'));
  EXPECT_EQ(disk.substr(2048 * kSectorSize, 4), "core");
  EXPECT_EQ(disk.size(), (128_MiB).bytes);
}

TEST_F(Assemble, SaysWhatTheTreeNeedsWhenTheDiskIsTooSmall) {
  const AssembleRequest asked = request("tree", 100_MiB);
  put("tree/etc/big", std::string(120 << 20, 'x'));
  try {
    (void)build(asked, "disk.raw");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.hint().find("disk"), std::string::npos) << error.describe();
  }
}

}  // namespace
}  // namespace imgbuild
