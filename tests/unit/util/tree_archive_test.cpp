#include "util/tree_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

/// One member of a hand-made ustar archive, so that it can hold what no honest writer makes.
struct Member {
  std::string name;
  char type = '0';  ///< 0 file, 1 hard link, 2 link, 3 character device, 5 folder, 6 FIFO
  std::string target = {};
  std::string content = {};
};

std::string header(const Member& member) {
  std::array<char, 512> block = {};
  const auto number = [&block](std::size_t at, int width, unsigned value) {
    std::snprintf(block.data() + at, static_cast<std::size_t>(width), "%0*o", width - 1, value);
  };
  std::memcpy(block.data(), member.name.data(), member.name.size());
  number(100, 8, member.type == '5' ? 0755 : 0644);
  number(108, 8, ::geteuid());
  number(116, 8, ::getegid());
  number(124, 12, static_cast<unsigned>(member.content.size()));
  number(136, 12, 1000);
  block[156] = member.type;
  std::memcpy(block.data() + 157, member.target.data(), member.target.size());
  std::memcpy(block.data() + 257, "ustar\00000", 8);
  std::memset(block.data() + 148, ' ', 8);
  unsigned sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  number(148, 7, sum);
  return {block.data(), block.size()};
}

std::string tar_of(const std::vector<Member>& members) {
  std::string bytes;
  for (const Member& member : members) {
    bytes += header(member) + member.content;
    bytes.resize((bytes.size() + 511) / 512 * 512);
  }
  return bytes + std::string(1024, '\0');
}

class TreeArchive : public testing::Test {
 protected:
  TreeArchive() : folder_(testing::TempDir(), "archive"), tree_(folder_.path() / "tree"), tar_(folder_.path() / "t.tar") {}

  void extract(const std::vector<Member>& members) {
    io::write_file(tar_, tar_of(members), 0644);
    (void)extract_tree(tar_, tree_);
  }

  std::string refusal(const std::vector<Member>& members) {
    try {
      extract(members);
    } catch (const Error& error) {
      EXPECT_FALSE(fs::exists(tree_)) << "left something behind";
      std::string text = error.what();
      const std::string prefix = tar_.native() + ": ";
      return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
    }
    return "accepted";
  }

  io::TemporaryDirectory folder_;
  fs::path tree_;
  fs::path tar_;
};

TEST_F(TreeArchive, ComesBackAsItWas) {
  io::make_directories(tree_ / "bin", 0755);
  io::write_file(tree_ / "bin/tool", "content", 04755);
  fs::create_hard_link(tree_ / "bin/tool", tree_ / "bin/twin");
  fs::create_symlink("/absolute/target", tree_ / "link");
  io::make_directories(tree_ / "tmp", 01777);
  io::write_file(tree_ / "Fő=Class.crt", "x", 0600);
  (void)archive_tree(tree_, tar_);
  const fs::path copy = folder_.path() / "copy";
  (void)extract_tree(tar_, copy);
  struct stat status = {};
  ASSERT_EQ(::stat((copy / "bin/twin").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 04755U);
  EXPECT_EQ(status.st_nlink, 2U);
  EXPECT_EQ(io::read_file(copy / "bin/tool"), "content");
  EXPECT_EQ(fs::read_symlink(copy / "link"), "/absolute/target");
  EXPECT_EQ(fs::status(copy / "tmp").permissions(), fs::perms(01777));
  EXPECT_TRUE(fs::exists(copy / "Fő=Class.crt"));
}

TEST_F(TreeArchive, KeepsTimesOfFilesFoldersAndLinks) {
  extract({{.name = "./", .type = '5'}, {.name = "./d/", .type = '5'}, {.name = "./d/f"}, {.name = "./d/l", .type = '2', .target = "f"}});
  for (const char* name : {"", "d", "d/f", "d/l"}) {
    struct stat status = {};
    ASSERT_EQ(::lstat((tree_ / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, 1000) << name;
  }
}

TEST_F(TreeArchive, KeepsAttributes) {
  io::make_directories(tree_, 0755);
  io::write_file(tree_ / "file", "x", 0644);
  if (::setxattr((tree_ / "file").c_str(), "user.colour", "blue", 4, 0) != 0) {
    GTEST_SKIP() << "the file system of " << tree_ << " has no user attributes";
  }
  (void)archive_tree(tree_, tar_);
  (void)extract_tree(tar_, folder_.path() / "copy");
  char value[8] = {};
  EXPECT_EQ(::getxattr((folder_.path() / "copy/file").c_str(), "user.colour", value, sizeof value), 4);
  EXPECT_STREQ(value, "blue");
}

TEST_F(TreeArchive, IsTheSameForFoldersMadeInAnotherOrder) {
  const fs::path other = folder_.path() / "other";
  for (const fs::path& folder : {tree_, other}) io::make_directories(folder, 0755);
  for (const char* name : {"a", "b", "c"}) io::write_file(tree_ / name, name, 0644);
  for (const char* name : {"c", "a", "b"}) io::write_file(other / name, name, 0644);
  for (const fs::path& folder : {tree_, other}) {
    for (const char* name : {"a", "b", "c", ""}) fs::last_write_time(folder / name, fs::file_time_type{});
  }
  EXPECT_EQ(archive_tree(tree_, tar_), archive_tree(other, folder_.path() / "other.tar"));
}

TEST_F(TreeArchive, TellsTheDigestOfTheWholeFile) {
  io::make_directories(tree_, 0755);
  const std::string digest = archive_tree(tree_, tar_);
  EXPECT_EQ(digest, sha256_file(tar_));
  EXPECT_EQ(extract_tree(tar_, folder_.path() / "copy"), digest);
}

TEST_F(TreeArchive, RefusesAnotherDigestAndLeavesNothing) {
  const std::string bytes = tar_of({{.name = "file"}});
  io::write_file(tar_, bytes, 0644);
  const std::string wanted(64, '0');
  try {
    (void)extract_tree(tar_, tree_, {.expected_sha256 = wanted});
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), tar_.native() + ": has SHA-256 " + sha256(bytes) + ", expected " + wanted);
    EXPECT_EQ(error.code(), ExitCode::verification_failed);
  }
  EXPECT_FALSE(fs::exists(tree_));
}

TEST_F(TreeArchive, RefusesAFolderThatHoldsSomething) {
  io::make_directories(tree_, 0755);
  io::write_file(tree_ / "mine", "x", 0644);
  io::write_file(tar_, tar_of({}), 0644);
  EXPECT_THROW((void)extract_tree(tar_, tree_), Error);
  EXPECT_TRUE(fs::exists(tree_ / "mine"));
}

TEST_F(TreeArchive, LeavesOutDevicesOfARunningMachine) {
  extract({{.name = "./dev/", .type = '5'}, {.name = "./dev/null", .type = '3'}});
  EXPECT_TRUE(fs::exists(tree_ / "dev"));
  EXPECT_FALSE(fs::exists(tree_ / "dev/null"));
}

TEST_F(TreeArchive, RefusesADeviceElsewhere) {
  EXPECT_EQ(refusal({{.name = "./disk", .type = '3'}}), "entry 'disk' is a device, FIFO or socket");
}

TEST_F(TreeArchive, RefusesAFifo) {
  EXPECT_EQ(refusal({{.name = "./pipe", .type = '6'}}), "entry 'pipe' is a device, FIFO or socket");
}

TEST_F(TreeArchive, RefusesAnAbsoluteName) {
  EXPECT_EQ(refusal({{.name = "/tmp/imgbuild-evil"}}), "entry '/tmp/imgbuild-evil' is no plain path");
}

TEST_F(TreeArchive, RefusesANameThatGoesUp) {
  EXPECT_EQ(refusal({{.name = "a/", .type = '5'}, {.name = "a/../../evil"}}), "entry 'a/../../evil' is no plain path");
  EXPECT_FALSE(fs::exists(folder_.path() / "evil"));
}

TEST_F(TreeArchive, RefusesAPlainNameThatGoesUp) {
  EXPECT_THAT(refusal({{.name = "../evil"}}), testing::StartsWith("cannot open folder '/..' in tree"));
  EXPECT_FALSE(fs::exists(folder_.path() / "evil"));
}

TEST_F(TreeArchive, RefusesANameThroughALink) {
  EXPECT_THAT(refusal({{.name = "out", .type = '2', .target = folder_.path().native().substr(0, 90)}, {.name = "out/evil"}}),
              testing::HasSubstr("cannot open folder '/out' in tree"));
  EXPECT_FALSE(fs::exists(folder_.path() / "evil"));
}

TEST_F(TreeArchive, RefusesToReplaceALinkByAFile) {
  EXPECT_EQ(refusal({{.name = "a", .type = '2', .target = "/etc/passwd"}, {.name = "a", .content = "evil"}}),
            "entry 'a' is there twice");
}

TEST_F(TreeArchive, RefusesAHardLinkOutOfTheTree) {
  EXPECT_THAT(refusal({{.name = "a", .type = '1', .target = "../../etc/passwd"}}),
              testing::StartsWith("cannot open folder '/../../etc' in tree"));
}

TEST_F(TreeArchive, RefusesAHardLinkToNothing) {
  EXPECT_EQ(refusal({{.name = "a", .type = '1', .target = "b"}}),
            "entry 'a' is a hard link to 'b', which is no file before it");
}

TEST_F(TreeArchive, RefusesAFileCutShort) {
  std::string bytes = tar_of({{.name = "file", .content = std::string(5000, 'x')}});
  io::write_file(tar_, bytes.substr(0, 2048), 0644);
  EXPECT_THROW((void)extract_tree(tar_, tree_), Error);
  EXPECT_FALSE(fs::exists(tree_));
}

TEST_F(TreeArchive, RefusesWhatIsNoArchive) {
  io::write_file(tar_, "hello, world\n", 0644);
  try {
    (void)extract_tree(tar_, tree_);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), tar_.native() + ": is no usable tar archive: Unrecognized archive format");
  }
}

TEST_F(TreeArchive, RefusesToArchiveASocketOutsideRun) {
  io::make_directories(tree_ / "var", 0755);
  ASSERT_EQ(::mkfifo((tree_ / "var/pipe").c_str(), 0600), 0);
  try {
    (void)archive_tree(tree_, tar_);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), (tree_ / "var/pipe").native() + ": is a device, FIFO or socket, which an image does not get");
  }
  EXPECT_FALSE(fs::exists(tar_));
}

}  // namespace
}  // namespace imgbuild
