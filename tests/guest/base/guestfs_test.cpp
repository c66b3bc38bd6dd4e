#include "util/guestfs.h"

#include <gtest/gtest.h>

#include "shared_base.h"
#include "util/error.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class Appliance : public testing::Test {
 protected:
  fs::path make_disk(std::string_view content) {
    const fs::path path = work_.path() / "disk.raw";
    const io::File file = io::create_exclusive(path, 0600);
    io::write_all(file, content);
    io::set_length(file, 64_MiB);
    return path;
  }

  io::TemporaryDirectory work_{test_folder(), "guestfs"};
  PrintedStatus status_;
};

TEST_F(Appliance, StartsWhetherKvmWorksOrNot) {
  const fs::path disk = make_disk("content");
  Guestfs appliance({{.path = disk, .format = "raw"}}, {.work = work_.path()}, status_);
  EXPECT_EQ(appliance.device_size("/dev/sda"), 64_MiB);
  EXPECT_EQ(appliance.read_device("/dev/sda", 0, 7), "content");
}

TEST_F(Appliance, EndsACallAtTheDeadline) {
  Guestfs appliance({{.path = make_disk(""), .format = "raw"}},
                    {.work = work_.path(), .acceleration = test_acceleration()}, status_);
  appliance.set_deadline(std::chrono::milliseconds(1));
  try {
    for (;;) (void)appliance.read_device("/dev/sda", 0, 1 << 20);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot read /dev/sda: it took longer than 0.0 s");
  }
}

TEST_F(Appliance, NeverChangesAReadOnlyDisk) {
  const fs::path disk = make_disk("content");
  Guestfs appliance({{.path = disk, .format = "raw"}},
                    {.work = work_.path(), .acceleration = test_acceleration()}, status_);
  EXPECT_THROW(appliance.mount("/dev/sda", "/"), Error);
  appliance.close();
  EXPECT_EQ(io::read_file(disk, 64_MiB).substr(0, 8), std::string("content\0", 8));
}

TEST_F(Appliance, SaysThatADiskIsNotOfTheFormatGiven) {
  try {
    const Guestfs appliance({{.path = make_disk("content"), .format = "qcow2"}},
                            {.work = work_.path(), .acceleration = test_acceleration()}, status_);
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("cannot open '")) << error.what();
  }
}

}  // namespace
}  // namespace imgbuild
