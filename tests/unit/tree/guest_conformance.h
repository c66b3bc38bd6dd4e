#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tree/guest.h"
#include "util/io.h"

namespace imgbuild {

/// What every backend must do. TypeParam gives `static Guest& guest()` with an empty folder /work in its tree, and the
/// programs cat, false, printenv and sleep.
template <typename Backend>
class GuestConformance : public testing::Test {
 protected:
  GuestConformance() : host_(testing::TempDir(), "conformance") {
    guest().remove("/work");
    guest().make_folder("/work");
  }
  static Guest& guest() { return Backend::guest(); }

  std::filesystem::path host_file(const std::string& name, const std::string& content, mode_t mode = 0644) {
    const std::filesystem::path path = host_.path() / name;
    io::make_directories(path.parent_path(), 0755);
    io::write_file(path, content, mode);
    return path;
  }
  std::filesystem::path host() { return host_.path(); }

 private:
  io::TemporaryDirectory host_;
};

TYPED_TEST_SUITE_P(GuestConformance);

TYPED_TEST_P(GuestConformance, GivesBackWhatWasWritten) {
  const std::string content("one\0two\n", 8);
  this->guest().write_file("/work/file", content, 0640);
  EXPECT_EQ(this->guest().read_file("/work/file"), content);
}

TYPED_TEST_P(GuestConformance, ReplacesALinkInsteadOfFollowingIt) {
  this->guest().write_file("/work/target", "old", 0644);
  std::filesystem::create_symlink("target", this->host() / "name");
  this->guest().copy_folder_in(this->host(), "/work");
  this->guest().write_file("/work/name", "new", 0644);
  EXPECT_EQ(this->guest().read_file("/work/target"), "old");
  EXPECT_EQ(this->guest().read_file("/work/name"), "new");
}

TYPED_TEST_P(GuestConformance, KnowsWhatExists) {
  this->guest().write_file("/work/file", "", 0644);
  EXPECT_TRUE(this->guest().exists("/work/file"));
  EXPECT_TRUE(this->guest().exists("/work"));
  EXPECT_FALSE(this->guest().exists("/work/other"));
  EXPECT_FALSE(this->guest().exists("/work/file/below"));
}

TYPED_TEST_P(GuestConformance, RemovesFoldersWithAllBelow) {
  this->guest().make_folder("/work/a/b");
  this->guest().write_file("/work/a/b/file", "", 0644);
  this->guest().remove("/work/a");
  EXPECT_FALSE(this->guest().exists("/work/a"));
}

TYPED_TEST_P(GuestConformance, RemovesNothingWhereNothingIs) {
  this->guest().remove("/work/absent/file");
  EXPECT_TRUE(this->guest().exists("/work"));
}

TYPED_TEST_P(GuestConformance, ListsMatchesSortedByBytes) {
  for (const char* name : {"b.conf", "a.conf", "Z.conf", ".hidden.conf", "c.txt"}) {
    this->guest().write_file(std::string("/work/") + name, "", 0644);
  }
  EXPECT_THAT(this->guest().list("/w*k/*.conf"), testing::ElementsAre("/work/Z.conf", "/work/a.conf", "/work/b.conf"));
  EXPECT_THAT(this->guest().list("/work/absent/*"), testing::IsEmpty());
}

TYPED_TEST_P(GuestConformance, CopiesAFileInAndTellsItsDigest) {
  const auto file = this->host_file("payload", "abc");
  EXPECT_EQ(this->guest().copy_file_in(file, "/work/payload", 0644),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(this->guest().read_file("/work/payload"), "abc");
}

TYPED_TEST_P(GuestConformance, FillsExistingFoldersWithAnOverlay) {
  this->guest().make_folder("/work/etc");
  this->guest().write_file("/work/etc/kept", "kept", 0644);
  this->host_file("etc/added", "added");
  this->guest().copy_folder_in(this->host(), "/work");
  EXPECT_EQ(this->guest().read_file("/work/etc/kept"), "kept");
  EXPECT_EQ(this->guest().read_file("/work/etc/added"), "added");
}

TYPED_TEST_P(GuestConformance, RefusesAnOverlayFileInPlaceOfAFolder) {
  this->guest().make_folder("/work/etc");
  const auto file = this->host_file("etc", "");
  try {
    this->guest().copy_folder_in(this->host(), "/work");
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), file.native() + ": can't replace '/work/etc', which is a folder in the tree");
    EXPECT_EQ(error.code(), ExitCode::bad_input);
  }
}

TYPED_TEST_P(GuestConformance, GivesInputAndReturnsOutput) {
  const CommandResult result = this->guest().run({.program = "cat", .input = "some input\n"});
  EXPECT_EQ(result.out, "some input\n");
  EXPECT_TRUE(result.succeeded());
}

TYPED_TEST_P(GuestConformance, GivesTheExitStatus) {
  EXPECT_EQ(this->guest().run({.program = "false"}).exit_status, 1);
}

TYPED_TEST_P(GuestConformance, GivesTheEnvironmentNamed) {
  const CommandResult result =
      this->guest().run({.program = "printenv", .arguments = {"COLOUR"}, .environment = {"COLOUR=it's \"blue\""}});
  EXPECT_EQ(result.out, "it's \"blue\"\n");
}

TYPED_TEST_P(GuestConformance, TellsLineByLine) {
  std::vector<std::string> lines;
  GuestCommand command{.program = "cat", .input = "one\ntwo\nthree"};
  command.on_line = [&](std::string_view line) { lines.emplace_back(line); };
  (void)this->guest().run(command);
  EXPECT_THAT(lines, testing::ElementsAre("one", "two", "three"));
}

TYPED_TEST_P(GuestConformance, EndsWhatTakesTooLong) {
  const CommandResult result =
      this->guest().run({.program = "sleep", .arguments = {"1000"}, .timeout = std::chrono::milliseconds(300)});
  EXPECT_EQ(result.timed_out, CommandResult::TimedOut::yes);
}

REGISTER_TYPED_TEST_SUITE_P(GuestConformance, GivesBackWhatWasWritten, ReplacesALinkInsteadOfFollowingIt, KnowsWhatExists,
                            RemovesFoldersWithAllBelow, RemovesNothingWhereNothingIs, ListsMatchesSortedByBytes,
                            CopiesAFileInAndTellsItsDigest, FillsExistingFoldersWithAnOverlay,
                            RefusesAnOverlayFileInPlaceOfAFolder, GivesInputAndReturnsOutput, GivesTheExitStatus,
                            GivesTheEnvironmentNamed, TellsLineByLine, EndsWhatTakesTooLong);

}  // namespace imgbuild
