#include "tree/fake_guest.h"

#include "unit/tree/guest_conformance.h"

namespace imgbuild {
namespace {

/// The few programs the conformance tests need, played.
CommandResult play(const GuestCommand& command, FakeGuest&) {
  CommandResult result;
  if (command.program == "cat") result.out = command.input;
  if (command.program == "false") result.exit_status = 1;
  if (command.program == "sleep") result.timed_out = CommandResult::TimedOut::yes;
  if (command.program == "printenv") {
    const std::string name = command.arguments.at(0) + "=";
    for (const std::string& entry : command.environment) {
      if (entry.starts_with(name)) result.out = entry.substr(name.size()) + "\n";
    }
  }
  return result;
}

struct FakeBackend {
  static Guest& guest() {
    static const io::TemporaryDirectory tree(testing::TempDir(), "fake");
    static FakeGuest guest(tree.path(), &play);
    return guest;
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, GuestConformance, FakeBackend);

TEST(FakeGuest, RecordsCommandsInOrder) {
  const io::TemporaryDirectory tree(testing::TempDir(), "fake");
  FakeGuest guest(tree.path());
  (void)guest.run({.program = "apt-get", .arguments = {"update"}});
  (void)guest.run({.program = "true"});
  EXPECT_THAT(guest.commands(), testing::ElementsAre("apt-get update", "true"));
}

TEST(FakeGuest, StaysInItsFolderThroughAbsoluteLinks) {
  const io::TemporaryDirectory tree(testing::TempDir(), "fake");
  FakeGuest guest(tree.path());
  guest.make_folder("/usr/lib");
  std::filesystem::create_symlink("/usr/lib", tree.path() / "lib");
  guest.write_file("/lib/file", "x", 0644);
  EXPECT_EQ(io::read_file(tree.path() / "usr/lib/file"), "x");
}

TEST(FakeGuest, CanNotBeLedOutOfItsFolder) {
  const io::TemporaryDirectory tree(testing::TempDir(), "fake");
  FakeGuest guest(tree.path());
  guest.make_folder("/etc");
  std::filesystem::create_symlink("../../../../../..", tree.path() / "up");
  guest.write_file("/up/etc/file", "x", 0644);
  EXPECT_EQ(io::read_file(tree.path() / "etc/file"), "x");
}

TEST(InstalledPackages, AreReadSortedAndOnlyThoseInstalled) {
  const io::TemporaryDirectory tree(testing::TempDir(), "fake");
  FakeGuest guest(tree.path(), [](const GuestCommand&, FakeGuest&) {
    return CommandResult{.out = "installed\tzlib1g\t1:1.2\tamd64\nconfig-files\told\t1\tamd64\ninstalled\tbash\t5.2\tamd64\n"};
  });
  EXPECT_THAT(installed_packages(guest), testing::ElementsAre(InstalledPackage{"bash", "5.2", "amd64"},
                                                             InstalledPackage{"zlib1g", "1:1.2", "amd64"}));
}

}  // namespace
}  // namespace imgbuild
