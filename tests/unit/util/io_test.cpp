#include "util/io.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "util/error.h"

namespace imgbuild::io {
namespace {
namespace fs = std::filesystem;

class Io : public ::testing::Test {
 protected:
  TemporaryDirectory folder_{fs::temp_directory_path(), "io-test"};

  static mode_t mode_of(const fs::path& path) {
    struct stat info = {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator{}));
  }
};

TEST_F(Io, AtomicFileAppearsOnlyOnCommit) {
  const fs::path path = folder_.path() / "a";
  AtomicFile file(path, 0644);
  file.write("text");
  EXPECT_FALSE(fs::exists(path));
  file.commit();
  EXPECT_EQ(read_file(path), "text");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Io, AtomicFileLeavesNothingWithoutCommit) {
  { AtomicFile(folder_.path() / "a", 0644).write("text"); }
  EXPECT_EQ(entries(), 0U);
}

TEST_F(Io, WrittenFilesHaveExactlyTheModeAskedFor) {
  const mode_t old = ::umask(0);
  write_file(folder_.path() / "secret", "x", 0600);
  ::umask(077);
  write_file(folder_.path() / "public", "x", 0644);
  ::umask(old);
  EXPECT_EQ(mode_of(folder_.path() / "secret"), 0600U);
  EXPECT_EQ(mode_of(folder_.path() / "public"), 0644U);
}

TEST_F(Io, CreateExclusiveFollowsNoLink) {
  fs::create_symlink("/etc/passwd", folder_.path() / "link");
  EXPECT_THROW((void)create_exclusive(folder_.path() / "link", 0600), Error);
}

TEST_F(Io, ReadFileSaysWhatIsTooLong) {
  write_file(folder_.path() / "long", std::string(2000, 'x'), 0644);
  try {
    (void)read_file(folder_.path() / "long", 1_KiB);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.describe(), (folder_.path() / "long").native() + ": is longer than 1 KiB");
  }
}

TEST_F(Io, SweepRemovesOnlyTemporariesWithoutAnOwner) {
  const TemporaryDirectory alive(folder_.path(), "alive");
  fs::create_directories(folder_.path() / "tmp-dead-1234" / "content");
  EXPECT_EQ(sweep_temporaries(folder_.path()), 1U);
  EXPECT_TRUE(fs::exists(alive.path()));
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Io, LockIsFreeAgainAfterItsHolder) {
  int waits = 0;
  { const FileLock first(folder_.path() / "lock", [&] { ++waits; }); }
  const FileLock second(folder_.path() / "lock", [&] { ++waits; });
  EXPECT_EQ(waits, 0);
}

}  // namespace
}  // namespace imgbuild::io
