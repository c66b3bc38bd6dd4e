#include "base/disk_format.h"

#include <gtest/gtest.h>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class DiskFormat : public testing::Test {
 protected:
  fs::path make(const std::string& name, std::vector<std::string> arguments) {
    const fs::path path = work_.path() / name;
    arguments.insert(arguments.begin(), "create");
    for (std::string& argument : arguments) {
      if (argument == "@") argument = path.native();
    }
    (void)run_checked(runner_, {.program = "qemu-img", .arguments = arguments, .directory = work_.path()});
    return path;
  }

  /// The refusal, with the file's path cut off.
  std::string refusal(const fs::path& path) {
    try {
      const std::string format = find_disk_format(path);
      (void)find_virtual_size(path, format, runner_);
    } catch (const Error& error) {
      const std::string message = error.what();
      return message.substr(message.find("': ") + 3);
    }
    return "accepted";
  }

  io::TemporaryDirectory work_{fs::temp_directory_path(), "disk-format-test"};
  SystemCommandRunner runner_;
};

TEST_F(DiskFormat, KnowsTheFormatsQemuMakes) {
  for (const char* format : {"raw", "qcow2", "vmdk", "vdi", "vhdx", "vpc"}) {
    const fs::path path = make(std::string("a.") + format, {"-q", "-f", format, "@", "8M"});
    EXPECT_EQ(find_disk_format(path), format);
    EXPECT_GE(find_virtual_size(path, format, runner_), 8_MiB) << format;
  }
}

TEST_F(DiskFormat, RefusesABackingFile) {
  io::write_file(work_.path() / "secret", std::string(4096, 's'), 0600);
  const fs::path path = make("a.qcow2", {"-q", "-f", "qcow2", "-b", "secret", "-F", "raw", "@", "8M"});
  EXPECT_EQ(refusal(path), "needs a backing file");
}

TEST_F(DiskFormat, RefusesAnExternalDataFile) {
  const fs::path path = make("a.qcow2", {"-q", "-f", "qcow2", "-o", "data_file=data.raw", "@", "8M"});
  EXPECT_EQ(refusal(path), "needs an external data file");
}

TEST_F(DiskFormat, RefusesAnEncryptedDisk) {
  const fs::path path =
      make("a.qcow2", {"-q", "--object", "secret,id=k,data=geheim", "-f", "qcow2", "-o",
                       "encrypt.format=luks,encrypt.key-secret=k,encrypt.iter-time=10", "@", "8M"});
  EXPECT_EQ(refusal(path), "is encrypted");
}

TEST_F(DiskFormat, RefusesAVmdkDescriptorThatNamesAFileOfTheHost) {
  io::write_file(work_.path() / "a.vmdk", "# Disk DescriptorFile\nRW 16 FLAT \"/etc/shadow\" 0\n", 0600);
  EXPECT_EQ(refusal(work_.path() / "a.vmdk"), "is a vmdk whose data is in other files");
}

TEST_F(DiskFormat, RefusesASparseVmdkWithoutCapacityForItsDescriptorCouldNameFiles) {
  io::write_file(work_.path() / "a.vmdk", "KDMV" + std::string(508, '\0'), 0600);
  EXPECT_EQ(refusal(work_.path() / "a.vmdk"), "is a vmdk whose data is in other files");
}

TEST_F(DiskFormat, RefusesADiskOfOneExbibyte) {
  const fs::path path = make("a.qcow2", {"-q", "-f", "qcow2", "-o", "cluster_size=2M", "@", "1E"});
  EXPECT_EQ(refusal(path), "is a disk of 1048576 TiB, more than 2 TiB is refused");
}

TEST_F(DiskFormat, RefusesADamagedHeader) {
  io::write_file(work_.path() / "a.qcow2", std::string("QFI\xfb\0\0\0\3", 8) + std::string(504, '\0'), 0600);
  EXPECT_EQ(refusal(work_.path() / "a.qcow2"), "is no qcow2 disk that QEMU reads");
}

TEST_F(DiskFormat, RefusesAFolder) { EXPECT_EQ(refusal(work_.path()), "is no file"); }

}  // namespace
}  // namespace imgbuild
