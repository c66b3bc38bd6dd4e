#include "tree/archive_listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "complaint.h"
#include "util/command.h"
#include "util/io.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class ArchiveListing : public testing::Test {
 protected:
  ArchiveListing() {
    io::make_directories(tree_ / "etc/empty", 0750);
    io::write_file(tree_ / "etc/hosts", "127.0.0.1 localhost\n", 0640);
    io::write_file(tree_ / "zero", std::string(3 << 20, '\0'), 0600);
    io::write_file(tree_ / "gr\xc3\xbc\xc3\x9f gott", "", 04755);
    fs::create_hard_link(tree_ / "etc/hosts", tree_ / "etc/also");
    fs::create_symlink("../no where", tree_ / "etc/link");
    ::setxattr((tree_ / "etc/hosts").c_str(), "user.note", "kept", 4, 0);
  }
  io::TemporaryDirectory folder_{fs::path(IMGBUILD_BINARY_DIR) / "test-work", "listing"};
  fs::path tree_ = folder_.path() / "tree";
  fs::path tar_ = folder_.path() / "tree.tar";
};

TEST_F(ArchiveListing, IsThatOfTheTree) {
  (void)archive_tree(tree_, tar_);
  EXPECT_THAT(difference(tree_listing(tree_), archive_listing(tar_)), testing::IsEmpty());
  EXPECT_EQ(archive_listing(tar_).size(), 8U);
}

/// What the appliance's tar writes.
TEST_F(ArchiveListing, IsThatOfATreePackedByGnuTar) {
  SystemCommandRunner runner;
  (void)run_checked(runner, {.program = "tar", .arguments = {"-C", tree_.native(), "--numeric-owner", "--xattrs", "--acls", "-cf", tar_.native(), "."}});
  EXPECT_THAT(difference(tree_listing(tree_), archive_listing(tar_)), testing::IsEmpty());
}

TEST_F(ArchiveListing, GivesContentThatIsWanted) {
  (void)archive_tree(tree_, tar_);
  std::string taken;
  (void)archive_listing(tar_, {.is_wanted = [](const std::string& path) { return path == "/etc/also" || path == "/zero"; },
                               .take = [&](const std::string& path, const std::string& bytes) { taken += fmt::format("{}:{} ", path, bytes.size()); }});
  EXPECT_EQ(taken, "/etc/also:20 /zero:3145728 ");
}

TEST_F(ArchiveListing, IsRefusedWhenTheArchiveIsNoneOrCutOff) {
  io::write_file(tar_, std::string(1024, 'x'), 0644);
  EXPECT_EQ(complaint_of([&] { (void)archive_listing(tar_); }), tar_.native() + ": is no usable tar archive: Unrecognized archive format");
  (void)archive_tree(tree_, tar_);
  fs::resize_file(tar_, fs::file_size(tar_) - (2 << 20));
  EXPECT_EQ(complaint_of([&] { (void)archive_listing(tar_); }), tar_.native() + ": is no usable tar archive: Truncated tar archive");
}

}  // namespace
}  // namespace imgbuild
