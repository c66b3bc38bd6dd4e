#include "boot/console.h"

#include <gtest/gtest.h>

#include <string>

namespace imgbuild {

void PrintTo(const ConsoleEvent& event, std::ostream* out) {
  *out << static_cast<int>(event.kind) << " '" << event.machine << "' '" << event.text << "' " << event.role
       << ' ' << event.plan;
}

namespace {

using Kind = ConsoleEvent::Kind;
using Events = std::vector<ConsoleEvent>;

const std::string kPlan(64, 'a');

Events read(std::string_view text) { return ConsoleParser().feed(text); }

TEST(ConsoleParser, ReadsTheLinesOfTheAppliance) {
  EXPECT_EQ(read("appliance[web]: stage database\r\nappliance[web]: ready web-master " + kPlan + "\r\n"),
            (Events{{.kind = Kind::stage, .machine = "web", .text = "database"},
                    {.kind = Kind::ready, .machine = "web", .role = "web-master", .plan = kPlan}}));
  EXPECT_EQ(read("appliance[web]: failed unit postgresql: exit 1\n"),
            (Events{{.kind = Kind::failed, .machine = "web", .text = "unit postgresql: exit 1"}}));
}

TEST(ConsoleParser, ReadsLinesThatComeByteByByte) {
  ConsoleParser parser;
  Events events;
  for (char byte : "\x1b[1mappliance[web]: stage \x1b[32mtls\x1b[0m\r\n") {
    for (ConsoleEvent& event : parser.feed({&byte, 1})) events.push_back(event);
  }
  EXPECT_EQ(events, (Events{{.kind = Kind::stage, .machine = "web", .text = "tls"}}));
}

TEST(ConsoleParser, WaitsForTheEndOfALine) {
  ConsoleParser parser;
  EXPECT_TRUE(parser.feed("appliance[web]: failed disk").empty());
  EXPECT_EQ(parser.feed(" full\n"), (Events{{.kind = Kind::failed, .machine = "web", .text = "disk full"}}));
}

TEST(ConsoleParser, FindsALineGluedToAKernelMessage) {
  EXPECT_EQ(read("[   44.123456] audit: type=1400 appliance[web]: ready web-master " + kPlan + "\n").back(),
            (ConsoleEvent{.kind = Kind::ready, .machine = "web", .role = "web-master", .plan = kPlan}));
  EXPECT_EQ(
      read("appliance[web]: ready web-master " + kPlan + "[   44.123456] random: crng init done\n").back(),
      (ConsoleEvent{.kind = Kind::ready, .machine = "web", .role = "web-master", .plan = kPlan}));
  EXPECT_EQ(read("appliance[web]: stage nginx [  145.123456] EXT4-fs: resized\n").back(),
            (ConsoleEvent{.kind = Kind::stage, .machine = "web", .text = "nginx"}));
}

TEST(ConsoleParser, TakesABrokenStatementForNone) {
  EXPECT_TRUE(read("appliance[web]: ready web-master 123\n").empty());
  EXPECT_TRUE(read("appliance[web]: ready " + kPlan + "\n").empty());
  EXPECT_TRUE(read("appliance[web: stage x\n").empty());
  EXPECT_TRUE(read("appliance[web]: steady\n").empty());
}

TEST(ConsoleParser, GivesAReasonForAFailureWithoutOne) {
  EXPECT_EQ(read("appliance[web]: failed\n"),
            (Events{{.kind = Kind::failed, .machine = "web", .text = "no reason given"}}));
}

TEST(ConsoleParser, FollowsARealBoot) {
  EXPECT_EQ(
      read("\x1b[2J\x1b[01;01HWelcome to GRUB!\r\n\r\n\x1b[0m\x1b[30m\x1b[40m  Booting `Debian GNU/Linux'\r\n"
           "[    0.000000] Linux version 6.1.0-26-cloud-amd64 (debian-kernel@lists.debian.org)\r\n"
           "[    0.000000] Command line: root=UUID=1 ro console=ttyS0\r\n"
           "[    2.511111] systemd[1]: systemd 252 running in system mode\r\n"
           "[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mSwaps\x1b[0m.\r\n"
           "[   11.312345] cloud-init[271]: Cloud-init v. 22.4.2 running 'init-local' at Sat, 21 Nov 2026\r\n"
           "[   14.000001] cloud-init[301]: Cloud-init v. 22.4.2 running 'init'\r\n"
           "Debian GNU/Linux 12 web ttyS0\r\n\r\nweb login: "),
      (Events{{.kind = Kind::boot_loader},
              {.kind = Kind::kernel},
              {.kind = Kind::init},
              {.kind = Kind::cloud_init}}));
}

TEST(ConsoleParser, NoticesAReboot) {
  ConsoleParser parser;
  (void)parser.feed("[   11.312345] cloud-init[271]: x\n");
  EXPECT_EQ(parser.feed("[    0.000000] Linux version 6.1\n[    1.000000] systemd[1]: hello\n"),
            (Events{{.kind = Kind::kernel}, {.kind = Kind::init}}));
}

TEST(ConsoleParser, ReportsAPanicOnce) {
  EXPECT_EQ(
      read("[    1.5] x\n"
           "[    1.523456] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
           "[    1.623456] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---\n"),
      (Events{{.kind = Kind::kernel},
              {.kind = Kind::stuck,
               .text = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"}}));
}

TEST(ConsoleParser, ReportsAPromptThatHasNoNewline) {
  EXPECT_EQ(read("error: unknown filesystem.\r\ngrub rescue> "),
            (Events{{.kind = Kind::stuck, .text = "grub rescue>"}}));
}

TEST(ConsoleParser, ReportsFirmwareThatFoundNoDiskToBoot) {
  EXPECT_EQ(read("\x1b[2J\x1b[01;01H\x1b[01;01HUEFI Interactive Shell v2.2\r\nEDK II\r\n"),
            (Events{{.kind = Kind::stuck, .text = "UEFI Interactive Shell v2.2"}}));
}

TEST(ConsoleParser, ReportsWhyTheInitialSystemGaveUp) {
  EXPECT_EQ(read("ALERT!  UUID=1 does not exist.  Dropping to a shell!\r\n"),
            (Events{{.kind = Kind::stuck, .text = "Dropping to a shell!"}}));
}

TEST(ConsoleParser, LeavesOutEscapesTitlesAndBytesThatNoTerminalShouldGet) {
  ConsoleParser parser;
  (void)parser.feed(
      "\x1b]0;title\a"
      "a\x1b]2;other\x1b\\"
      "b\x1b(c\x9b"
      "31m\xc3\xa9\0d\x07\n");
  EXPECT_EQ(parser.last_lines(), std::vector<std::string>{"abc31m"});
}

TEST(ConsoleParser, DoesNotLoseLinesToABrokenEscape) {
  EXPECT_EQ(read("\x1b]0;never closed\nappliance[web]: stage a\n\x1b[12\nappliance[web]: stage b\n"),
            (Events{{.kind = Kind::stage, .machine = "web", .text = "a"},
                    {.kind = Kind::stage, .machine = "web", .text = "b"}}));
}

TEST(ConsoleParser, KeepsTheLastTwentyLinesThatSaySomething) {
  ConsoleParser parser;
  for (int i = 0; i < 30; ++i) (void)parser.feed("line " + std::to_string(i) + "\r\n  \r\n");
  (void)parser.feed("login:");
  ASSERT_EQ(parser.last_lines().size(), 20u);
  EXPECT_EQ(parser.last_lines().front(), "line 11");
  EXPECT_EQ(parser.last_lines().back(), "login:");
}

TEST(ConsoleParser, CutsHugeLinesAndGoesOn) {
  ConsoleParser parser;
  const Events events = parser.feed(std::string(10 << 20, 'x') + "\nappliance[web]: stage a\n");
  EXPECT_EQ(events, (Events{{.kind = Kind::stage, .machine = "web", .text = "a"}}));
  for (const std::string& line : parser.last_lines()) EXPECT_LE(line.size(), 4096u);
}

}  // namespace
}  // namespace imgbuild
