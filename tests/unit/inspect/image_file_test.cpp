#include "inspect/image_file.h"

#include <gtest/gtest.h>

#include "complaint.h"
#include "util/command.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class ImageFiles : public testing::Test {
 protected:
  ImageFiles() {
    const io::File file = io::create_exclusive(disk_, 0600);
    io::set_length(file, 5_MiB);
    io::write_all_at(file, "start", 0);
    io::write_all_at(file, "middle", 3'000'000);
  }
  fs::path run(const std::vector<std::string>& arguments, const char* result) {
    (void)run_checked(runner_, {.program = arguments[0], .arguments = {arguments.begin() + 1, arguments.end()}, .directory = folder_.path()});
    return folder_.path() / result;
  }
  void expect_disk(const fs::path& image) {
    const ImageFile file(image, folder_.path());
    EXPECT_EQ(file.kind(), ImageFile::Kind::disk);
    EXPECT_EQ(sha256_file(file.path()), sha256_file(disk_)) << image;
    EXPECT_NE(file.path(), image);
  }
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "image-file"};
  fs::path disk_ = folder_.path() / "box.img";
  SystemCommandRunner runner_;
};

TEST_F(ImageFiles, ThatAreDisksAreUsedWhereTheyAre) {
  EXPECT_EQ(ImageFile(disk_, folder_.path()).path(), disk_);
}

TEST_F(ImageFiles, ThatAreWrappedAreUnwrapped) {
  expect_disk(run({"zstd", "-q", "box.img", "-o", "disk.raw.zst"}, "disk.raw.zst"));
  io::write_file(folder_.path() / "metadata.json", "{}", 0644);
  expect_disk(run({"tar", "-czf", "libvirt.box", "metadata.json", "box.img"}, "libvirt.box"));
  fs::rename(disk_, folder_.path() / "web-disk1.vmdk");
  const fs::path ova = run({"tar", "--format=ustar", "-cf", "web.ova", "metadata.json", "web-disk1.vmdk"}, "web.ova");
  fs::rename(folder_.path() / "web-disk1.vmdk", disk_);
  expect_disk(ova);
}

TEST_F(ImageFiles, ThatAreTreesAreToldApart) {
  EXPECT_EQ(ImageFile(run({"tar", "-cf", "tree.tar", "./"}, "tree.tar"), folder_.path()).kind(), ImageFile::Kind::tree);
}

TEST_F(ImageFiles, LeaveNothingBehind) {
  const fs::path compressed = run({"zstd", "-q", "box.img", "-o", "disk.raw.zst"}, "disk.raw.zst");
  { const ImageFile file(compressed, folder_.path()); }
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder_.path())) count += entry.is_regular_file() || entry.is_directory() ? 1 : 0;
  EXPECT_EQ(count, 2U);
}

TEST_F(ImageFiles, WithoutADiskOrCutOffAreRefused) {
  const fs::path other = run({"tar", "-czf", "other.box", "box.img", "--transform=s/box/fox/"}, "other.box");
  EXPECT_EQ(complaint_of([&] { (void)ImageFile(other, folder_.path()); }), "'" + other.native() + "': is an archive without a disk or a tree");
  const fs::path compressed = run({"zstd", "-q", "box.img", "-o", "disk.raw.zst"}, "disk.raw.zst");
  fs::resize_file(compressed, fs::file_size(compressed) - 20);
  EXPECT_EQ(complaint_of([&] { (void)ImageFile(compressed, folder_.path()); }), "'" + compressed.native() + "': can't be unpacked: Truncated zstd input");
  const fs::path none = folder_.path() / "none";
  EXPECT_EQ(complaint_of([&] { (void)ImageFile(none, folder_.path()); }), "'" + none.native() + "': is no file");
}

}  // namespace
}  // namespace imgbuild
