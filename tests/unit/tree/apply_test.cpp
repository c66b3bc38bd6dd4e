#include "tree/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tree/fake_guest.h"
#include "util/digest.h"

namespace imgbuild {
namespace {

class Apply : public testing::Test {
 protected:
  Apply() : folder_(testing::TempDir(), "apply"), tree_(folder_.path() / "tree") {
    for (const char* path : {"tree/usr/sbin", "tree/etc", "host", "work"}) {
      io::make_directories(folder_.path() / path, 0755);
    }
    context_.package_cache = folder_.path() / "store";
    context_.work = folder_.path() / "work";
  }

  std::filesystem::path host_file(const std::string& name, const std::string& content, mode_t mode = 0644) {
    const std::filesystem::path path = folder_.path() / "host" / name;
    io::make_directories(path.parent_path(), 0755);
    io::write_file(path, content, mode);
    return path;
  }

  io::TemporaryDirectory folder_;
  std::filesystem::path tree_;
  StepContext context_;
  SilentStatus status_;
};

TEST_F(Apply, OverlayPinsModesToWhatFilesAreFor) {
  host_file("etc/app.conf", "x", 0600);
  host_file("usr/bin/app", "#!/bin/sh\n", 0775);
  FakeGuest guest(tree_);
  apply(guest, OverlayStep{.name = "x", .folder = folder_.path() / "host"}, context_, status_);
  EXPECT_EQ(std::filesystem::status(tree_ / "etc/app.conf").permissions(), std::filesystem::perms(0644));
  EXPECT_EQ(std::filesystem::status(tree_ / "usr/bin/app").permissions(), std::filesystem::perms(0755));
  EXPECT_EQ(std::filesystem::status(tree_ / "usr/bin").permissions(), std::filesystem::perms(0755));
}

TEST_F(Apply, OverlayGoesThroughTheTreesOwnLinks) {
  io::make_directories(tree_ / "usr/lib", 0755);
  std::filesystem::create_symlink("usr/lib", tree_ / "lib");
  host_file("lib/systemd/system/app.service", "[Unit]\n");
  FakeGuest guest(tree_);
  apply(guest, OverlayStep{.name = "x", .folder = folder_.path() / "host"}, context_, status_);
  EXPECT_TRUE(std::filesystem::is_symlink(tree_ / "lib"));
  EXPECT_TRUE(std::filesystem::exists(tree_ / "usr/lib/systemd/system/app.service"));
}

TEST_F(Apply, OverlayRefusesAFifo) {
  io::make_directories(folder_.path() / "host", 0755);
  ASSERT_EQ(::mkfifo((folder_.path() / "host/pipe").c_str(), 0644), 0);
  FakeGuest guest(tree_);
  try {
    apply(guest, OverlayStep{.name = "x", .folder = folder_.path() / "host"}, context_, status_);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), (folder_.path() / "host/pipe").native() + ": is no file, folder or link");
  }
}

TEST_F(Apply, ServicesAreEnabledDisabledAndMaskedOffline) {
  FakeGuest guest(tree_);
  apply(guest, ServicesStep{.enable = {"a", "b"}, .disable = {"c"}, .mask = {"d.timer"}}, context_, status_);
  EXPECT_THAT(guest.commands(), testing::ElementsAre("systemctl --root=/ enable -- a b", "systemctl --root=/ disable -- c",
                                                     "systemctl --root=/ mask -- d.timer"));
}

TEST_F(Apply, RunUsesTheShellWhereTheScriptNamesNone) {
  FakeGuest guest(tree_);
  apply(guest, RunStep{.script = host_file("x.sh", "echo hello\n")}, context_, status_);
  EXPECT_THAT(guest.commands(), testing::ElementsAre("/bin/sh /.imgbuild/x.sh"));
}

TEST_F(Apply, RunLeavesNothingOfItselfBehind) {
  bool was_there = false;
  FakeGuest guest(tree_, [&](const GuestCommand&, FakeGuest& self) {
    was_there = self.exists("/.imgbuild/x.sh") && self.exists("/usr/sbin/policy-rc.d");
    return CommandResult{};
  });
  apply(guest, RunStep{.script = host_file("x.sh", "#!/bin/sh\n")}, context_, status_);
  EXPECT_TRUE(was_there);
  EXPECT_FALSE(guest.exists("/.imgbuild"));
  EXPECT_FALSE(guest.exists("/usr/sbin/policy-rc.d"));
  EXPECT_FALSE(guest.exists("/etc/postgresql-common"));
}

TEST_F(Apply, RunKeepsThePolicyTheTreeHad) {
  FakeGuest guest(tree_);
  guest.write_file("/usr/sbin/policy-rc.d", "#!/bin/sh\n# theirs\n", 0755);
  apply(guest, RunStep{.script = host_file("x.sh", "#!/bin/sh\n")}, context_, status_);
  EXPECT_EQ(guest.read_file("/usr/sbin/policy-rc.d"), "#!/bin/sh\n# theirs\n");
}

TEST_F(Apply, RunTellsWhatTheScriptSaidLast) {
  FakeGuest guest(tree_, [](const GuestCommand&, FakeGuest&) {
    return CommandResult{.exit_status = 3, .err = "no such thing\n"};
  });
  const auto script = host_file("x.sh", "#!/bin/sh\n");
  try {
    apply(guest, RunStep{.script = script}, context_, status_);
    FAIL() << "succeeded";
  } catch (const Error& error) {
    EXPECT_EQ(error.describe(), "x.sh ended with exit status 3:\nno such thing\n  while running '" + script.native() + "' in the tree");
  }
}

TEST_F(Apply, PayloadIsGivenToItsScript) {
  FakeGuest guest(tree_);
  apply(guest,
        PayloadStep{.name = "app", .file = host_file("app.tar", "bytes"), .sha256 = sha256("bytes"),
                    .install = host_file("install.sh", "#!/bin/sh\n")},
        context_, status_);
  EXPECT_THAT(guest.commands(), testing::ElementsAre("/.imgbuild/install.sh /.imgbuild/payload/app.tar"));
  EXPECT_FALSE(guest.exists("/.imgbuild"));
}

TEST_F(Apply, PayloadWithAnotherDigestIsNeverRun) {
  FakeGuest guest(tree_);
  const auto file = host_file("app.tar", "other");
  try {
    apply(guest, PayloadStep{.name = "app", .file = file, .sha256 = sha256("bytes"), .install = host_file("i.sh", "")},
          context_, status_);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), file.native() + ": has SHA-256 " + sha256("other") + ", expected " + sha256("bytes"));
    EXPECT_EQ(error.code(), ExitCode::verification_failed);
  }
  EXPECT_THAT(guest.commands(), testing::IsEmpty());
}

TEST_F(Apply, StandInsReplaceProgramsOnlyWhileAStepRuns) {
  FakeGuest* seen = nullptr;
  std::string during;
  FakeGuest guest(tree_, [&](const GuestCommand& command, FakeGuest& self) {
    seen = &self;
    const std::string probe = "/usr/sbin/grub-probe";
    if (command.program == "dpkg-divert" && command.arguments[5] == "--add") {
      self.write_file(probe + ".imgbuild", self.read_file(probe), 0755);
    } else if (command.program == "dpkg-divert") {
      self.write_file(probe, self.read_file(probe + ".imgbuild"), 0755);
      self.remove(probe + ".imgbuild");
    } else {
      during = self.read_file(probe);
    }
    return CommandResult{};
  });
  guest.write_file("/usr/sbin/grub-probe", "real", 0755);
  context_.stand_ins = {{.path = "/usr/sbin/grub-probe", .content = "stand-in"}, {.path = "/usr/bin/absent", .content = ""}};
  apply(guest, RunStep{.script = host_file("x.sh", "#!/bin/sh\n")}, context_, status_);
  EXPECT_EQ(during, "stand-in");
  EXPECT_EQ(guest.read_file("/usr/sbin/grub-probe"), "real");
}

/// Answers as apt-get and dpkg; 'failing' is the first argument of the call that fails.
FakeGuest::Answer play_apt(const std::string& failing, const std::string& says) {
  return [=](const GuestCommand& command, FakeGuest&) {
    CommandResult result;
    if (command.program == "apt-get" && command.arguments[0] == failing) {
      result.exit_status = 100;
      result.err = says;
    }
    return result;
  };
}

TEST_F(Apply, PackagesAreUpgradedInstalledAndRemovedInOneRun) {
  FakeGuest guest(tree_, [](const GuestCommand& command, FakeGuest&) {
    return CommandResult{.out = command.program == "dpkg-query" ? "libc6\nsnapd\n" : ""};
  });
  apply(guest, PackagesStep{.install = {"nginx"}, .remove = {"snapd", "absent"}, .upgrade = PackagesStep::Upgrade::yes}, context_,
        status_);
  EXPECT_THAT(guest.commands(),
              testing::ElementsAre("apt-get update", "apt-get --print-uris dist-upgrade --purge -- nginx snapd- absent-",
                                   "dpkg --print-architecture", "dpkg --print-foreign-architectures",
                                   "dpkg-query --show --showformat=${Package}\\n",
                                   "apt-get --simulate --no-download dist-upgrade --purge -- nginx snapd-",
                                   "apt-get --no-download dist-upgrade --purge -- nginx snapd-", "dpkg --audit",
                                   "apt-get check"));
}

TEST_F(Apply, PackagesSayWhenTheMirrorIsDown) {
  FakeGuest guest(tree_, play_apt("update", "E: Could not connect to mirror:80\n"));
  try {
    apply(guest, PackagesStep{.install = {"nginx"}}, context_, status_);
    FAIL() << "succeeded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::network);
    EXPECT_STREQ(error.what(), "cannot update the package lists:\nE: Could not connect to mirror:80");
  }
}

TEST_F(Apply, PackagesNeedACleanAudit) {
  FakeGuest guest(tree_, [](const GuestCommand& command, FakeGuest&) {
    return CommandResult{.out = command.arguments[0] == "--audit" ? "nginx is half installed\n" : ""};
  });
  try {
    apply(guest, PackagesStep{.install = {"nginx"}}, context_, status_);
    FAIL() << "succeeded";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "packages are not completely installed:\nnginx is half installed\n");
  }
}

}  // namespace
}  // namespace imgbuild
