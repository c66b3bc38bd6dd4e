#include "util/digest.h"

#include <gtest/gtest.h>

#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

TEST(Sha256, AgreesWithTheStandard) {  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, FieldsDoNotRunIntoEachOther) {
  Sha256 first;
  first.update_field("ab");
  first.update_field("c");
  Sha256 second;
  second.update_field("a");
  second.update_field("bc");
  EXPECT_NE(first.hex(), second.hex());
}

TEST(FolderDigest, SeesContentNamesModesAndLinks) {
  const io::TemporaryDirectory folder(fs::temp_directory_path(), "digest-test");
  const fs::path file = folder.path() / "a";
  io::write_file(file, "1", 0644);
  const std::string original = sha256_folder(folder.path());
  fs::permissions(file, fs::perms(0755));
  const std::string executable = sha256_folder(folder.path());
  fs::rename(file, folder.path() / "b");
  const std::string renamed = sha256_folder(folder.path());
  fs::create_symlink("b", folder.path() / "c");
  const std::string linked = sha256_folder(folder.path());
  EXPECT_NE(original, executable);
  EXPECT_NE(executable, renamed);
  EXPECT_NE(renamed, linked);
}

TEST(FolderDigest, LeavesPythonsCachesOut) {
  const io::TemporaryDirectory folder(fs::temp_directory_path(), "digest-test");
  io::write_file(folder.path() / "a.py", "1", 0644);
  const std::string original = sha256_folder(folder.path());
  io::make_directories(folder.path() / "__pycache__", 0755);
  io::write_file(folder.path() / "__pycache__" / "a.cpython-311.pyc", "2", 0644);
  EXPECT_EQ(sha256_folder(folder.path()), original);
}

TEST(Base64, PadsToWholeGroups) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("a"), "YQ==");
  EXPECT_EQ(to_base64("abc"), "YWJj");
}

}  // namespace
}  // namespace imgbuild
