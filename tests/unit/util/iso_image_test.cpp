#include "util/iso_image.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "complaint.h"
#include "util/command.h"
#include "util/io.h"
#include "util/iso_records.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr const char* kWriteTo = "IMGBUILD_TEST_ISO";  ///< set: this process is the child that only writes

IsoContent sample() {
  return {.volume_id = "cidata",
          .files = {{.name = "user-data", .content = Secret("#cloud-config\n" + std::string(5000, 'u'))},
                    {.name = "meta-data", .content = Secret("a: \"b\"\n")},
                    {.name = "network-config", .content = Secret("version: 2\n")}}};
}

std::string content_in(const IsoContent& image, const std::string& name) {
  for (const IsoFile& file : image.files) {
    if (file.name == name) return file.content.reveal();
  }
  return "no such file";
}

class IsoImage : public ::testing::Test {
 protected:
  void write(const Secret& image) const { io::write_file(path_, image.reveal(), 0600); }
  std::string read_complaint() const {
    return complaint_of([&] { (void)read_iso_image(path_); });
  }
  static std::string run(Command command) {
    SystemCommandRunner runner;
    return run_checked(runner, command).out;
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "iso-test"};
  fs::path path_ = folder_.path() / "image.iso";
};

TEST_F(IsoImage, GivesBackItsFilesSortedByName) {
  write(make_iso_image(sample()));
  const IsoContent read = read_iso_image(path_);
  EXPECT_EQ(read.volume_id, "cidata");
  ASSERT_EQ(read.files.size(), 3U);
  EXPECT_EQ(read.files[0].name, "meta-data");
  EXPECT_EQ(read.files[1].name, "network-config");
  EXPECT_EQ(read.files[2].name, "user-data");
  EXPECT_EQ(read.files[0].content.reveal(), "a: \"b\"\n");
  EXPECT_EQ(read.files[1].content.reveal(), "version: 2\n");
  EXPECT_EQ(read.files[2].content.reveal(), sample().files[0].content.reveal());
}

TEST_F(IsoImage, KeepsFilesApartThatAreEquallyLongOrEmptyOrFillASector) {
  IsoContent content{.volume_id = "cidata"};
  for (const char* name : {"a", "b", "c"}) {
    content.files.push_back({.name = name, .content = Secret(std::string(2048, name[0]))});
  }
  content.files.push_back({.name = "empty", .content = Secret()});
  content.files.push_back({.name = "other-empty", .content = Secret()});
  write(make_iso_image(content));
  const IsoContent read = read_iso_image(path_);
  ASSERT_EQ(read.files.size(), content.files.size());
  for (std::size_t i = 0; i < content.files.size(); ++i) {
    EXPECT_EQ(read.files[i].name, content.files[i].name);
    EXPECT_TRUE(read.files[i].content.reveal() == content.files[i].content.reveal()) << content.files[i].name;
  }
}

TEST_F(IsoImage, KeepsEveryByte) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 7 % 251 + i / 256);
  write(make_iso_image({.volume_id = "x", .files = {{.name = "bytes", .content = Secret(bytes)}}}));
  EXPECT_TRUE(read_iso_image(path_).files.at(0).content.reveal() == bytes);
}

TEST_F(IsoImage, IsLabelledForBlkid) {
  write(make_iso_image(sample()));
  EXPECT_EQ(run({.program = "blkid", .arguments = {"-p", "-s", "LABEL", "-s", "TYPE", "-o", "export", path_}}),
            "DEVNAME=" + path_.native() + "\nLABEL=cidata\nTYPE=iso9660\n");
}

TEST_F(IsoImage, HasRockRidgeAndJolietNamesForIsoinfo) {
  write(make_iso_image(sample()));
  for (const char* names : {"-R", "-J"}) {
    EXPECT_EQ(run({.program = "isoinfo", .arguments = {names, "-f", "-i", path_}}),
              "/meta-data\n/network-config\n/user-data\n");
    EXPECT_EQ(run({.program = "isoinfo", .arguments = {names, "-x", "/meta-data", "-i", path_}}), "a: \"b\"\n");
  }
}

TEST_F(IsoImage, IsTheSameForAnyOrderOfFiles) {
  IsoContent other = sample();
  std::swap(other.files[0], other.files[2]);
  EXPECT_TRUE(make_iso_image(other).reveal() == make_iso_image(sample()).reveal());
}

TEST_F(IsoImage, IsTheSameAtAnotherTimeInAnotherZone) {
  const Secret image = make_iso_image(sample());
  if (const char* path = std::getenv(kWriteTo)) return io::write_file(path, image.reveal(), 0600);
  const fs::path self = fs::read_symlink("/proc/self/exe");
  for (const auto& [time, zone] : {std::pair("+400d", "Asia/Kathmandu"), std::pair("-9000d", "America/St_Johns")}) {
    run({.program = "env",
         .arguments = {std::string("TZ=") + zone, std::string(kWriteTo) + "=" + path_.native(), "faketime", "-f", time,
                       self.native(), "--gtest_filter=IsoImage.IsTheSameAtAnotherTimeInAnotherZone"}});
    EXPECT_TRUE(io::read_file(path_) == image.reveal()) << time;
    fs::remove(path_);
  }
}

TEST_F(IsoImage, HoldsNoTimeButTheFixedOne) {
  write(make_iso_image(sample()));
  for (const char* names : {"-R", "-J"}) {
    const std::string listing = run({.program = "isoinfo", .arguments = {"-l", names, "-i", path_}});
    EXPECT_NE(listing.find("Jan  1 2000"), std::string::npos) << listing;
  }
  EXPECT_EQ(run({.program = "blkid", .arguments = {"-p", "-s", "UUID", "-o", "value", path_}}),
            "2000-01-01-00-00-00-00\n");
}

TEST_F(IsoImage, RefusesNamesThatCannotBe) {
  for (const char* name : {"", "a/b", "..", ".hidden", "Upper", "sp ace"}) {
    EXPECT_EQ(complaint_of([&] { (void)make_iso_image({.volume_id = "x", .files = {{.name = name}}}); }),
              fmt::format("'{}' cannot be a file name in an ISO 9660 image", name));
  }
}

TEST_F(IsoImage, RefusesTheSameNameTwice) {
  EXPECT_EQ(complaint_of([] { (void)make_iso_image({.volume_id = "x", .files = {{.name = "a"}, {.name = "a"}}}); }),
            "file 'a' would be in the ISO 9660 image twice");
}

TEST_F(IsoImage, OfAnotherFormatIsRefused) {
  io::write_file(path_, "hello", 0600);
  EXPECT_EQ(read_complaint(), path_.native() + ": is no ISO 9660 image");
  io::write_file(path_, "", 0600);
  EXPECT_EQ(read_complaint(), path_.native() + ": is no ISO 9660 image");
  io::write_file(path_, std::string(100'000, '\0'), 0600);
  EXPECT_EQ(read_complaint(), path_.native() + ": is no ISO 9660 image");
}

TEST_F(IsoImage, WithAFolderIsRefused) {
  fs::create_directories(folder_.path() / "tree/folder");
  io::write_file(folder_.path() / "tree/folder/file", "x", 0644);
  run({.program = "genisoimage", .arguments = {"-quiet", "-R", "-J", "-o", path_, folder_.path() / "tree"}});
  EXPECT_EQ(read_complaint(), path_.native() + ": holds 'folder', which is no file of its root folder");
}

TEST_F(IsoImage, MadeByGenisoimageIsRead) {
  fs::create_directories(folder_.path() / "tree");
  io::write_file(folder_.path() / "tree/user-data", "x\n", 0644);
  run({.program = "genisoimage",
       .arguments = {"-quiet", "-R", "-J", "-V", "cidata", "-o", path_, folder_.path() / "tree"}});
  const IsoContent read = read_iso_image(path_);
  EXPECT_EQ(read.volume_id, "cidata");
  EXPECT_EQ(read.files.at(0).name, "user-data");
  EXPECT_EQ(read.files.at(0).content.reveal(), "x\n");
}

TEST_F(IsoImage, CutShortAnywhereGivesAnErrorOrTheWholeFiles) {
  const IsoContent original = sample();
  const std::string whole = make_iso_image(original).reveal();
  std::size_t refused = 0;
  for (std::size_t size = 0; size < whole.size(); size += 512) {
    io::write_file(path_, whole.substr(0, size), 0600);
    try {
      for (const IsoFile& file : read_iso_image(path_).files) {
        EXPECT_TRUE(file.content.reveal() == content_in(original, file.name)) << file.name << " of " << size;
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 60U);
}

TEST_F(IsoImage, WithAnyByteChangedNeverReadsOutsideTheImage) {
  const std::string whole = make_iso_image(sample()).reveal();
  for (std::size_t at = std::size_t{16} * 2048; at < whole.size(); ++at) {
    if (whole[at] == 0 && at % 64 != 0) continue;
    std::string changed = whole;
    changed[at] = static_cast<char>(0xff);
    try {
      iso::fix_times(changed);
      (void)iso::volume_id(changed);
    } catch (const Error&) {
      continue;
    }
    EXPECT_EQ(changed.size(), whole.size());
  }
}

}  // namespace
}  // namespace imgbuild
