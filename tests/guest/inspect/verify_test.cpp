#include "inspect/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <random>
#include <sstream>

#include "base/boot_loader.h"
#include "build/boot_digests.h"
#include "build/documents.h"
#include "build/outputs.h"
#include "complaint.h"
#include "util/digest.h"
#include "util/disk_writer.h"
#include "util/io.h"
#include "util/read_at.h"
#include "util/kvm.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

constexpr std::int64_t kEpoch = 1'700'000'000;
constexpr int kFiles = 560;

class PrintedStatus : public SilentStatus {
 public:
  void begin(std::string_view stage) override { std::cerr << "[  stage   ] " << stage << "\n"; }
  void note(std::string_view message) override { std::cerr << "[  note    ] " << message << "\n"; }
};

/// An image of a small tree with a file system of its own on /boot, its manifest, and copies of the disk to change.
class VerifyDisk : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<io::TemporaryDirectory>("/var/tmp", "verify-test");
    make_tree();
    make_disk();
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static fs::path path(const char* name) { return folder_->path() / name; }

  static void make_tree() {
    const fs::path tree = path("tree");
    for (const char* name : {"etc", "boot/grub", "data", "links", "dev", "proc", "tmp", "var/log"}) io::make_directories(tree / name, 0755);
    io::write_file(tree / "etc/machine-id", "", 0444);
    io::write_file(tree / "etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n", 0644);
    io::write_file(tree / "boot/vmlinuz", "kernel", 0600);
    std::mt19937 random(1);
    for (int i = 0; i < kFiles; ++i) {
      const fs::path file = tree / fmt::format("data/f{:03}", i);
      std::string content(200 + random() % 6000, '\0');
      for (char& c : content) c = static_cast<char>(random());
      io::write_file(file, content, 0644);
      if (i % 7 == 0) ::setxattr(file.c_str(), "user.note", fmt::format("value{:03}", i).c_str(), 8, 0);
      if (i % 7 == 1) fs::create_symlink(fmt::format("../data/f{:03}", i), tree / fmt::format("links/l{:03}", i));
    }
    pin_times(tree, std::chrono::sys_seconds(std::chrono::seconds(kEpoch)));
  }

  static DiskLayout small_layout() {
    DiskLayout layout = cloud_layout("verify-test");
    Partition& root = layout.partitions.back();
    Partition boot = root;
    boot.number = 16;
    boot.uuid = "AAAAAAAA-0000-4000-8000-000000000016";
    boot.sectors = 65536;
    boot.mount_point = "/boot";
    boot.ext4.uuid = "6c1d0d6e-0000-4000-8000-000000000016";
    boot.ext4.label = "BOOT";
    root.first_sector += boot.sectors;
    layout.partitions.insert(layout.partitions.end() - 1, boot);
    return fit_to_disk(layout, kDisk);
  }

  static void make_disk() {
    const DiskLayout layout = small_layout();
    const io::File file = io::create_exclusive(path("web.raw"), 0600);
    io::set_length(file, kDisk);
    io::write_all_at(file, "boot code", 0);
    io::write_all_at(file, "core image", 2048 * kSectorSize);
    io::write_all_at(file, "firmware files", 20000 * kSectorSize);
    write_partition_table(path("web.raw"), layout);
    for (const Partition& partition : layout.partitions) {
      if (partition.content == Partition::Content::ext4) {
        make_ext4(runner_, path("web.raw"), layout, partition, {.root = path("tree"), .newest = std::chrono::sys_seconds(std::chrono::seconds(kEpoch))});
      }
    }
    Manifest manifest;
    manifest.role = "web";
    manifest.roles = {"web"};
    manifest.disk = kDisk.bytes;
    manifest.layout = layout;
    manifest.base = {{"name", "small"}, {"digest", "0"}};
    manifest.boot = boot_digests(layout, [&](std::uint64_t offset, std::size_t size) { return io::read_at(file, size, offset); });
    manifest.artifacts = {{.file = "web.raw", .format = "raw", .sha256 = sha256_file(path("web.raw")), .size = kDisk.bytes}};
    write_documents(manifest, tree_listing(path("tree")), folder_->path());
    io::write_file(path("web.manifest.json"), to_json(manifest), 0644);
  }

  /// A copy of the disk, of this test alone.
  fs::path copy() {
    const fs::path to = own_.path() / "disk.raw";
    (void)run_checked(runner_, {.program = "cp", .arguments = {"--sparse=always", path("web.raw").native(), to.native()}});
    return to;
  }

  Verification verify(const fs::path& disk, Booted booted = Booted::no) {
    PrintedStatus status;
    return verify_disk(disk, read_manifest(path("web.manifest.json")), booted, {.work = own_.path(), .acceleration = acceleration()}, runner_, status);
  }
  static std::vector<std::string> lines(const Verification& verification) {
    std::vector<std::string> lines;
    for (const Difference& difference : verification.differences) lines.push_back(difference.place + ": " + difference.what);
    return lines;
  }
  std::string refusal(const fs::path& disk) {
    return complaint_of([&] { (void)verify(disk); });
  }

  static GuestfsOptions::Acceleration acceleration() {
    static const KvmVerdict verdict = [] {
      PrintedStatus status;
      return probe_kvm({.cache = folder_->path()}, runner_, status);
    }();
    return verdict.works == KvmVerdict::Works::yes ? GuestfsOptions::Acceleration::automatic : GuestfsOptions::Acceleration::none;
  }

  /// What debugfs says and does, on the file system of a partition.
  static std::string debugfs(const fs::path& disk, const Partition& partition, const std::vector<std::string>& commands) {
    const fs::path list = disk.native() + ".commands";
    io::write_file(list, fmt::format("{}\n", fmt::join(commands, "\n")), 0600);
    return run_checked(runner_, {.program = "debugfs", .arguments = {"-w", "-f", list.native(), fmt::format("{}?offset={}", disk.native(),
                                                                                                         partition.first_sector * kSectorSize)}}).out;
  }
  static const Partition& root() {
    static const DiskLayout layout = small_layout();
    return layout.partitions.back();
  }

  static constexpr ByteSize kDisk = 512_MiB;
  static inline std::unique_ptr<io::TemporaryDirectory> folder_;
  static inline SystemCommandRunner runner_;
  io::TemporaryDirectory own_{"/var/tmp", "verify-own"};
};

TEST_F(VerifyDisk, FindsNothingOnADiskThatIsAsItWasMade) {
  const Verification found = verify(path("web.raw"));
  EXPECT_THAT(lines(found), IsEmpty());
  EXPECT_THAT(found.excepted, IsEmpty());
  EXPECT_EQ(found.compared, tree_listing(path("tree")).size());
}

/// Each change is one byte on the disk, of a file of its own, so that none can hide behind another.
class Changes {
 public:
  Changes(fs::path disk, const Partition& partition, unsigned seed) : disk_(std::move(disk)), partition_(partition), random_(seed) {}

  /// Changes something of file 'number'; notes where it must be found.
  void change(int number) {
    const std::string name = fmt::format("/data/f{:03}", number);
    const bool has_note = number % 7 == 0;
    const bool has_link = number % 7 == 1;
    switch (random_() % (has_note || has_link ? 7 : 6)) {
      case 0: return metadata(name, "mode", fmt::format("0{:o}", 0100644U ^ (1U << (random_() % 8))), "mode");
      case 1: return metadata(name, "uid", fmt::format("{}", 1 + random_() % 255), "belongs");
      case 2: return metadata(name, "gid", fmt::format("{}", 1 + random_() % 255), "belongs");
      case 3: return metadata(name, "mtime", fmt::format("@{}", kEpoch ^ (std::int64_t{1} << (random_() % 24))), "time");
      case 6: return has_note ? note(name, number) : link(number);
      default: return content(name);
    }
  }

  /// Does them all. Returns the number of bytes changed in content, which debugfs has no command for.
  void apply() {
    const io::File file = io::open_for_update(disk_);
    for (const auto& [block, offset] : bytes_) {
      const std::uint64_t at = partition_.first_sector * kSectorSize + block * 4096 + offset;
      std::string byte = io::read_at(file, 1, at);
      byte[0] = static_cast<char>(static_cast<unsigned char>(byte[0]) ^ (1U << (random_() % 8)));
      io::write_all_at(file, byte, at);
    }
  }

  std::vector<std::string> commands;                ///< for debugfs
  std::vector<std::pair<std::string, std::string>> expected;  ///< path, and a word of what must be said
  std::vector<std::pair<std::string, std::size_t>> contents;  ///< file, position: to be given to place()

  /// Says on which block the content of contents[index] begins.
  void place(std::size_t index, std::uint64_t first_block, std::size_t size) {
    const std::size_t pos = contents[index].second % size;
    bytes_.emplace_back(first_block + pos / 4096, pos % 4096);  // two blocks at most, which mke2fs puts side by side
  }

 private:
  void metadata(const std::string& name, const char* field, const std::string& value, const char* word) {
    commands.push_back(fmt::format("set_inode_field {} {} {}", name, field, value));
    expected.emplace_back(name, word);
  }
  void note(const std::string& name, int number) {
    commands.push_back(fmt::format("ea_set {} user.note valuE{:03}", name, number));
    expected.emplace_back(name, "attributes");
  }
  /// Short links are kept in the inode, where block numbers would be; bytes 4 to 7 of "../data/f001" become "Ata/".
  void link(int number) {
    const std::string name = fmt::format("/links/l{:03}", number);
    commands.push_back(fmt::format("set_inode_field {} block[1] 0x{:08x}", name, 0x2f617441));
    expected.emplace_back(name, "leads");
  }
  void content(const std::string& name) {
    contents.emplace_back(name, random_());
    expected.emplace_back(name, "content");
  }

  fs::path disk_;
  const Partition& partition_;
  std::mt19937 random_;
  std::vector<std::pair<std::uint64_t, std::size_t>> bytes_;
};

TEST_F(VerifyDisk, FindsEachOf500ChangesOfOneByte) {
  const fs::path disk = copy();
  const unsigned seed = std::random_device{}();
  std::cerr << "[  seed    ] " << seed << "\n";
  Changes changes(disk, root(), seed);
  std::vector<int> numbers(kFiles);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::shuffle(numbers.begin(), numbers.end(), std::mt19937(seed));
  for (int i = 0; i < 500; ++i) changes.change(numbers[static_cast<std::size_t>(i)]);

  std::vector<std::string> questions;
  for (const auto& [name, pos] : changes.contents) questions.push_back(fmt::format("bmap {} 0", name));
  std::istringstream answers(debugfs(disk, root(), questions));
  std::size_t index = 0;
  for (std::string line; std::getline(answers, line);) {
    if (line.empty() || line.find_first_not_of("0123456789") != std::string::npos) continue;  // the commands are repeated
    ASSERT_LT(index, changes.contents.size());
    changes.place(index, std::stoull(line), fs::file_size(path("tree") / changes.contents[index].first.substr(1)));
    ++index;
  }
  ASSERT_EQ(index, changes.contents.size());
  (void)debugfs(disk, root(), changes.commands);
  changes.apply();

  const Verification found = verify(disk);
  std::map<std::string, std::string> by_path;
  for (const Difference& difference : found.differences) by_path[difference.place] = difference.what;
  EXPECT_EQ(found.differences.size(), 500U);
  for (const auto& [name, word] : changes.expected) {
    EXPECT_THAT(by_path[name], testing::HasSubstr(word)) << name;
    EXPECT_EQ(by_path[name].find(';'), std::string::npos) << name << ": " << by_path[name];
  }
  EXPECT_EQ(changes.contents.size() + changes.commands.size(), 500U);
}

TEST_F(VerifyDisk, FindsWhatIsChangedOutsideOfFiles) {
  const fs::path disk = copy();
  {
    const io::File file = io::open_for_update(disk);
    io::write_all_at(file, "x", 5);                                   // boot code
    io::write_all_at(file, "x", kSectorSize + 200);                   // table: behind the header, which stays good
    io::write_all_at(file, "x", kDisk.bytes - 40);                    // table: copy at the end
    io::write_all_at(file, "x", 2048 * kSectorSize + 3);              // bios-boot
    io::write_all_at(file, "x", 1000 * kSectorSize);                  // gap
  }
  (void)debugfs(disk, root(), {"set_super_value volume_name other"});
  const std::vector<std::string> found = lines(verify(disk));
  EXPECT_THAT(found, testing::Contains("boot code: has another content"));
  EXPECT_THAT(found, testing::Contains("partition table: differs"));
  EXPECT_THAT(found, testing::Contains("partition table: the copy at the end of the disk differs"));
  EXPECT_THAT(found, testing::Contains("boot partition 14: has another content"));
  EXPECT_THAT(found, testing::Contains("gap before partition 14: is not empty"));
  EXPECT_THAT(found, testing::Contains("file system of partition 1: has label 'other', must be 'cloudimg-rootfs'"));
  EXPECT_EQ(found.size(), 6U);
}

TEST_F(VerifyDisk, ExceptsWhatAMachineDidAndNothingElse) {
  const fs::path disk = copy();
  const fs::path text = own_.path() / "text";
  io::write_file(text, "text", 0644);
  const std::string from = text.native();
  (void)debugfs(disk, root(), {"cd /etc", "rm machine-id", "write " + from + " machine-id", "set_inode_field machine-id mode 0100444",
                               "write " + from + " cron-added", "cd /var/log", "write " + from + " syslog", "mkdir journal", "write " + from + " program",
                               "set_inode_field program mode 0104755"});
  const Verification booted = verify(disk, Booted::yes);
  EXPECT_THAT(booted.excepted, testing::IsSupersetOf({"/etc/machine-id", "/var/log/journal", "/var/log/syslog"}));
  std::vector<std::string> places;
  for (const Difference& difference : booted.differences) places.push_back(difference.place);
  EXPECT_THAT(places, ElementsAre("/etc/cron-added", "/var/log/program"));
  const std::vector<std::string> pristine = lines(verify(disk, Booted::no));
  EXPECT_THAT(pristine, testing::Contains("/var/log/syslog: is not of the image: file, mode 0644, owner 0:0"));
}

TEST_F(VerifyDisk, ReadsADiskThatWasMadeLargerAndOtherFormats) {
  const fs::path disk = own_.path() / "large.qcow2";
  (void)run_checked(runner_, {.program = "qemu-img", .arguments = {"convert", "-f", "raw", "-O", "qcow2", path("web.raw").native(), disk.native()}});
  (void)run_checked(runner_, {.program = "qemu-img", .arguments = {"resize", "-q", disk.native(), "1G"}});
  EXPECT_THAT(lines(verify(disk)), IsEmpty());
}

TEST_F(VerifyDisk, RefusesADiskThatNamesAnotherFileUnopened) {
  const fs::path overlay = own_.path() / "overlay.qcow2";
  (void)run_checked(runner_, {.program = "qemu-img", .arguments = {"create", "-q", "-f", "qcow2", "-F", "raw", "-b", path("web.raw").native(), overlay.native()}});
  const std::string hint = "\nhint: `qemu-img convert -O qcow2` on the machine it comes from makes one whole file of it";
  EXPECT_EQ(refusal(overlay), "'" + overlay.native() + "': needs a backing file" + hint);
  const fs::path descriptor = own_.path() / "disk.vmdk";
  io::write_file(descriptor, "# Disk DescriptorFile\nRW 100 FLAT \"/etc/shadow\" 0\n", 0644);
  EXPECT_EQ(refusal(descriptor), "'" + descriptor.native() + "': is a vmdk whose data is in other files" + hint);
}

TEST_F(VerifyDisk, SaysWhatIsWrongWithADamagedDisk) {
  const fs::path zero = own_.path() / "zero.raw";
  io::set_length(io::create_exclusive(zero, 0600), kDisk);
  const std::vector<std::string> found = lines(verify(zero));
  EXPECT_THAT(found, testing::Contains("partition table: differs"));
  EXPECT_THAT(found, testing::Contains(testing::StartsWith("file system of partition 1: can't be mounted: ")));
  const fs::path cut = own_.path() / "cut.qcow2";
  io::write_file(cut, std::string("QFI\xfb\0\0\0\3", 8) + std::string(600, '\0'), 0644);
  EXPECT_THAT(refusal(cut), testing::StartsWith("'" + cut.native() + "': is no qcow2 disk that QEMU reads"));
  EXPECT_EQ(refusal(own_.path() / "none"), "'" + (own_.path() / "none").native() + "': is no file");
}

TEST_F(VerifyDisk, RefusesAListThatIsNotTheManifests) {
  const fs::path folder = own_.path();
  fs::copy(path("web.manifest.json"), folder / "web.manifest.json");
  const fs::path list = folder / "web.mtree.zst";
  const auto refusal_here = [&] {
    SilentStatus status;
    return complaint_of([&] { (void)verify_disk(path("web.raw"), read_manifest(folder / "web.manifest.json"), Booted::no, {.work = folder}, runner_, status); });
  };
  EXPECT_EQ(refusal_here(), "'" + list.native() + "': the manifest's list of files is not there\nhint: it was made with the image: keep both beside the manifest");
  io::write_file(list, "list", 0644);
  EXPECT_EQ(refusal_here(), "'" + list.native() + "': has SHA-256 " + sha256("list") + ", the manifest says " + sha256_file(path("web.mtree.zst")));
}

}  // namespace
}  // namespace imgbuild
