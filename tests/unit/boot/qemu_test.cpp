#include <gtest/gtest.h>

#include <filesystem>

#include "boot/boot_disk.h"
#include "boot/qemu_arguments.h"
#include "boot/qemu_machine.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

std::string joined(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments) text += argument + (argument.starts_with('-') ? " " : "\n");
  return text;
}

bool has(const QemuMachineSpec& spec, const std::string& text) {
  return joined(qemu_arguments(spec)).find(text) != std::string::npos;
}

QemuMachineSpec spec() {
  return {.disk = "/o/web.qcow2",
          .disk_format = "qcow2",
          .seed = "/o/s1.seed.iso",
          .console_log = "/c/web.log",
          .console_fd = 7,
          .monitor_fd = 8};
}

TEST(QemuArguments, MakeAMachineLikeACloudsOne) {
  EXPECT_EQ(
      joined(qemu_arguments(spec())),
      "-S -nodefaults -no-user-config -display none\n"
      "-vga std\n"
      "-machine q35\n"
      "-accel tcg,thread=multi\n"
      "-cpu max,la57=off,avx2=off,erms=off\n"
      "-m 2048\n"
      "-smp 2\n"
      "-chardev socket,id=monitor,fd=8\n"
      "-mon chardev=monitor,mode=control\n"
      "-chardev socket,id=console,fd=7,logfile=/c/web.log\n"
      "-serial chardev:console\n"
      "-drive if=none,id=disk,format=qcow2,snapshot=on,discard=unmap,file=/o/web.qcow2\n"
      "-device virtio-blk-pci,drive=disk,bootindex=1\n"
      "-drive if=none,id=seed,format=raw,readonly=on,media=cdrom,file=/o/s1.seed.iso\n"
      "-device virtio-scsi-pci\n"
      "-device scsi-cd,drive=seed\n"
      "-netdev "
      "user,id=net,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=tcp:127.0.0.1:0-:80,hostfwd=tcp:127.0.0.1:0-:443\n"
      "-device virtio-net-pci,netdev=net,romfile=\n"
      "-object rng-random,filename=/dev/urandom,id=random\n"
      "-device virtio-rng-pci,rng=random\n");
}

TEST(QemuArguments, UseTheProbedProcessorWithKvm) {
  QemuMachineSpec wanted = spec();
  wanted.accelerator = Accelerator::kvm;
  EXPECT_TRUE(has(wanted, "-accel kvm\n-cpu max\n"));
}

TEST(QemuArguments, WriteToADiskThatIsKept) {
  QemuMachineSpec wanted = spec();
  wanted.writes = QemuMachineSpec::Writes::kept;
  EXPECT_TRUE(has(wanted, "snapshot=off"));
}

TEST(QemuArguments, EndAtARebootOnlyWhenTold) {
  QemuMachineSpec wanted = spec();
  EXPECT_FALSE(has(wanted, "-no-reboot"));
  wanted.reboot = QemuMachineSpec::Reboot::ends;
  EXPECT_TRUE(has(wanted, "-no-reboot"));
}

TEST(QemuArguments, AddACardOnASegmentWithOthers) {
  QemuMachineSpec wanted = spec();
  EXPECT_FALSE(has(wanted, "id=internal"));
  wanted.segment = SharedSegment{.group = "239.1.2.3", .port = 23456, .mac = "52:54:00:01:02:03"};
  EXPECT_TRUE(has(wanted,
                  "-netdev socket,id=internal,mcast=239.1.2.3:23456,localaddr=127.0.0.1\n"
                  "-device virtio-net-pci,netdev=internal,romfile=,mac=52:54:00:01:02:03\n"));
}

TEST(QemuArguments, DoubleTheCommasOfPaths) {
  QemuMachineSpec wanted = spec();
  wanted.disk = "/o/a,format=raw,.qcow2";
  EXPECT_TRUE(has(wanted, "file=/o/a,,format=raw,,.qcow2\n"));
}

TEST(ForwardedPorts, AreReadFromQemusTable) {
  EXPECT_EQ(read_forwarded_ports(
                "Hub -1 (net):\r\n"
                "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
                "  TCP[HOST_FORWARD]  16       127.0.0.1 46615       10.0.2.15    22     0     0\r\n"
                "  TCP[ESTABLISHED]   17       127.0.0.1 46615       10.0.2.15    80     0     0\r\n"
                "  TCP[HOST_FORWARD]  15       127.0.0.1 38093       10.0.2.15   443     0     0\r\n"),
            (std::map<int, int>{{22, 46615}, {443, 38093}}));
}

class BootDisk : public testing::Test {
 protected:
  fs::path make_image(const char* name) {
    const fs::path image = folder_.path() / name;
    (void)run_checked(
        runner_, {.program = "qemu-img", .arguments = {"create", "-q", "-f", "qcow2", image.native(), "8M"}});
    return image;
  }
  std::string error_of(const std::function<void()>& work) {
    try {
      work();
      return "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      return error.what();
    }
  }
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "boot-disk-test"};
  SystemCommandRunner runner_;
};

TEST_F(BootDisk, HasTheFormatOfItsName) {
  EXPECT_EQ(format_by_name("a/web.qcow2"), "qcow2");
  EXPECT_EQ(error_of([] { (void)format_by_name("web.img"); }),
            "web.img: the name does not tell the disk's format");
}

TEST_F(BootDisk, IsRefusedWhenItIsNotThereOrNotOfItsFormat) {
  const std::string missing = folder_.path() / "no.qcow2";
  EXPECT_EQ(error_of([&] { (void)virtual_size(missing, "qcow2", runner_); }), missing + ": no such file");
  const std::string text = folder_.path() / "text.qcow2";
  io::write_file(text, "no disk", 0644);
  EXPECT_EQ(error_of([&] { (void)virtual_size(text, "qcow2", runner_); }),
            text + ": is no qcow2 disk image: qemu-img: Could not open '" + text +
                "': Image is not in qcow2 format");
}

TEST_F(BootDisk, KeepsChangesInADiskOfItsOwn) {
  const fs::path image = make_image("web.qcow2");
  const fs::path disk = folder_.path() / "kept.qcow2";
  make_difference_disk(disk, image, "qcow2", 16_MiB, runner_);
  EXPECT_EQ(virtual_size(disk, "qcow2", runner_), 16_MiB);
  EXPECT_EQ(virtual_size(image, "qcow2", runner_), 8_MiB);
}

TEST_F(BootDisk, GoesOnWithAKeptDiskOfTheSameImageOnly) {
  const fs::path image = make_image("web.qcow2");
  const fs::path other = make_image("other.qcow2");
  const fs::path disk = folder_.path() / "kept.qcow2";
  make_difference_disk(disk, image, "qcow2", {}, runner_);
  EXPECT_NO_THROW(make_difference_disk(disk, image, "qcow2", {}, runner_));
  EXPECT_EQ(error_of([&] { make_difference_disk(disk, other, "qcow2", {}, runner_); }),
            fmt::format("{}: holds the changes of '{}', not of '{}'", disk.native(), image.native(),
                        other.native()));
}

}  // namespace
}  // namespace imgbuild
