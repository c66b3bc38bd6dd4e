#include "util/archive_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "complaint.h"
#include "util/command.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using Kind = ArchiveMember::Kind;

class ArchiveMembers : public testing::Test {
 protected:
  ArchiveMembers() : folder_(testing::TempDir(), "members") { io::write_file(at("content"), std::string(100'000, '\0') + "end", 0600); }

  [[nodiscard]] fs::path at(const std::string& name) const { return folder_.path() / name; }

  std::string write(const fs::path& archive) {
    MemberWriter writer(archive, 0644);
    writer.add_text("first", "text");
    (void)writer.add({.kind = Kind::folder, .path = "folder"}, {});
    (void)writer.add({.kind = Kind::link, .path = "folder/link", .target = "/dev/null"}, {});
    (void)writer.add({.kind = Kind::program, .path = "folder/program", .size = 100'003}, at("content"));
    return writer.commit();
  }

  io::TemporaryDirectory folder_;
};

TEST_F(ArchiveMembers, AreReadAsTheyWereWritten) {
  (void)write(at("a"));
  MemberReader reader(at("a"));
  ASSERT_EQ(reader.next()->path, "first");
  EXPECT_EQ(reader.read_text(1_KiB), "text");
  EXPECT_EQ(reader.next()->kind, Kind::folder);
  const ArchiveMember link = *reader.next();
  EXPECT_EQ(link.target, "/dev/null");
  const ArchiveMember program = *reader.next();
  EXPECT_EQ(program.path, "folder/program");
  EXPECT_EQ(program.kind, Kind::program);
  EXPECT_EQ(program.size, 100'003U);
  EXPECT_EQ(reader.copy_to(at("copy"), 0600), sha256_file(at("content")));
  EXPECT_EQ(sha256_file(at("copy")), sha256_file(at("content")));
  EXPECT_FALSE(reader.next());
}

TEST_F(ArchiveMembers, GiveTheSameBytesWheneverTheyAreWritten) {
  const std::string first = write(at("a"));
  fs::last_write_time(at("content"), fs::file_time_type::clock::now() - std::chrono::hours(100));
  fs::permissions(at("content"), fs::perms(0755));
  EXPECT_EQ(write(at("b")), first);
  EXPECT_EQ(sha256_file(at("a")), first);
}

TEST_F(ArchiveMembers, ThatGrowWhileTheyArePackedAreAnError) {
  const std::string text = complaint_of([&] {
    MemberWriter writer(at("a"), 0644);
    (void)writer.add({.path = "x", .size = 100'002}, at("content"));
  });
  EXPECT_EQ(text, at("content").native() + ": changed while it was packed");
  EXPECT_FALSE(fs::exists(at("a")));
}

TEST_F(ArchiveMembers, AreRefusedWhenCutOff) {
  (void)write(at("a"));
  fs::resize_file(at("a"), fs::file_size(at("a")) / 2);
  const std::string text = complaint_of([&] {
    MemberReader reader(at("a"));
    while (reader.next()) (void)reader.read_text(1_MiB);
  });
  EXPECT_THAT(text, testing::AnyOf(at("a").native() + ": is no bundle, or damaged at its beginning",
                                   at("a").native() + ": is cut off or damaged at or after member 'first'"));
}

TEST_F(ArchiveMembers, AreRefusedWhenTheyAreSomethingElse) {
  io::write_file(at("a"), "no archive at all", 0644);
  EXPECT_EQ(complaint_of([&] { (void)MemberReader(at("a")).next(); }), at("a").native() + ": is no bundle, or damaged at its beginning");
}

TEST_F(ArchiveMembers, MayBeNoDevices) {
  SystemCommandRunner runner;
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  (void)run_checked(runner, {.program = "tar", .arguments = {"-C", folder_.path().native(), "--zstd", "-cf", at("a").native(), "fifo"}});
  EXPECT_EQ(complaint_of([&] { (void)MemberReader(at("a")).next(); }), at("a").native() + ": member 'fifo' is no file, folder or link");
}

TEST_F(ArchiveMembers, HaveALimit) {
  (void)write(at("a"));
  MemberReader reader(at("a"));
  (void)reader.next();
  EXPECT_EQ(complaint_of([&] { (void)reader.read_text({3}); }), at("a").native() + ": member 'first' is longer than 3 B");
}

}  // namespace
}  // namespace imgbuild
