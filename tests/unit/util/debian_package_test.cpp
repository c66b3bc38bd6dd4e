#include "util/debian_package.h"

#include <gtest/gtest.h>

#include "complaint.h"
#include "util/command.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

const std::string kControl = "Package: alpha\nVersion: 1:2.0-1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n"
                             "Description: for tests\n Version: of a sentence\n";

class DebianPackage : public testing::Test {
 protected:
  DebianPackage() : folder_(testing::TempDir(), "package") {}

  fs::path build(const std::string& compression) {
    io::make_directories(folder_.path() / "tree/DEBIAN", 0755);
    io::write_file(folder_.path() / "tree/DEBIAN/control", kControl, 0644);
    SystemCommandRunner runner;
    const fs::path file = folder_.path() / (compression + ".deb");
    (void)run_checked(runner, {.program = "dpkg-deb",
                               .arguments = {"-Z" + compression, "--uniform-compression", "--build", (folder_.path() / "tree").native(), file.native()}});
    return file;
  }

  io::TemporaryDirectory folder_;
};

TEST_F(DebianPackage, GivesItsControlFileWhateverItsCompression) {
  for (const char* compression : {"xz", "gzip", "zstd", "none"}) EXPECT_EQ(read_package_control(build(compression)), kControl) << compression;
}

TEST_F(DebianPackage, IsTheSameWhenOpened) {
  io::make_directories(folder_.path() / "tree/usr/share/alpha", 0755);
  io::write_file(folder_.path() / "tree/usr/share/alpha/text", std::string(100'001, 'x'), 0644);
  SystemCommandRunner runner;
  for (const char* compression : {"xz", "gzip", "zstd", "none"}) {
    const fs::path file = build(compression);
    const fs::path opened = folder_.path() / "opened.deb";
    fs::remove(opened);
    open_package(file, opened);
    const auto output = [&](const char* what, const fs::path& of) {
      return run_checked(runner, {.program = "dpkg-deb", .arguments = {what, of.native()}}).out;
    };
    EXPECT_EQ(output("--fsys-tarfile", opened), output("--fsys-tarfile", file)) << compression;
    EXPECT_EQ(output("--ctrl-tarfile", opened), output("--ctrl-tarfile", file)) << compression;
    EXPECT_EQ(run_checked(runner, {.program = "ar", .arguments = {"t", opened.native()}}).out.substr(0, 14), "debian-binary\n");
    EXPECT_GT(fs::file_size(opened), 100'000U);
  }
}

TEST_F(DebianPackage, IsNotOpenedWhenItIsDamagedOrHasNoData) {
  const fs::path file = build("xz");
  const fs::path opened = folder_.path() / "opened.deb";
  fs::resize_file(file, fs::file_size(file) - 20);
  EXPECT_EQ(complaint_of([&] { open_package(file, opened); }), file.native() + ": is no Debian package: it is cut off or damaged");
  fs::remove(opened);
  io::write_file(file, "!<arch>\n", 0644);
  EXPECT_EQ(complaint_of([&] { open_package(file, opened); }), file.native() + ": is no Debian package: it has no data part");
}

TEST_F(DebianPackage, IsRefusedWhenCut) {
  const fs::path file = build("xz");
  fs::resize_file(file, 150);
  EXPECT_EQ(complaint_of([&] { (void)read_package_control(file); }), file.native() + ": is no Debian package: it is cut off or damaged");
}

TEST_F(DebianPackage, IsRefusedWhenItIsSomethingElse) {
  const fs::path file = folder_.path() / "x.deb";
  io::write_file(file, "<html>please log in</html>", 0644);
  EXPECT_EQ(complaint_of([&] { (void)read_package_control(file); }), file.native() + ": is no Debian package: it is cut off or damaged");
  io::write_file(file, "!<arch>\n", 0644);
  EXPECT_EQ(complaint_of([&] { (void)read_package_control(file); }), file.native() + ": is no Debian package: it has no control part");
}

TEST(ControlField, IsFoundAtTheBeginningOfALine) {
  EXPECT_EQ(control_field(kControl, "Version"), "1:2.0-1");
  EXPECT_EQ(control_field(kControl, "Description"), "for tests");
  EXPECT_EQ(control_field(kControl, "Vers"), "");
  EXPECT_EQ(control_field(kControl, "Depends"), "");
}

}  // namespace
}  // namespace imgbuild
