#include "inspect/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "inspect/boot_rows.h"

namespace imgbuild {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TreeRecord file(const std::string& path) {
  return {.path = path, .type = 'f', .mode = 0644, .size = 3, .mtime = 1'700'000'000, .content = std::string(64, 'a')};
}
TreeRecord folder(const std::string& path) { return {.path = path, .type = 'd', .mode = 0755, .mtime = 1'700'000'000}; }
TreeRecord link(const std::string& path) { return {.path = path, .type = 'l', .mode = 0777, .mtime = 1'700'000'000, .content = "target"}; }

std::vector<std::string> lines(const Comparison& comparison) {
  std::vector<std::string> lines;
  for (const Difference& difference : comparison.differences) lines.push_back(difference.place + ": " + difference.what);
  return lines;
}

TEST(Comparison, FindsNothingBetweenEqualLists) {
  const std::vector<TreeRecord> list = {folder("/"), file("/a"), link("/b")};
  const Comparison comparison = compare_files(list, list, Booted::no);
  EXPECT_THAT(lines(comparison), IsEmpty());
  EXPECT_EQ(comparison.compared, 3U);
}

TEST(Comparison, SaysHowEachFieldDiffers) {
  struct Case {
    std::function<void(TreeRecord&)> change;
    const char* what;
  };
  const Case cases[] = {
      {[](TreeRecord& r) { r.mode = 04644; }, "has mode 4644, must be 0644"},
      {[](TreeRecord& r) { r.uid = 1; }, "belongs to 1:0, must be 0:0"},
      {[](TreeRecord& r) { r.gid = 7; }, "belongs to 0:7, must be 0:0"},
      {[](TreeRecord& r) { r.size = 4; }, "has 4 bytes, must be 3"},
      {[](TreeRecord& r) { r.content = std::string(64, 'b'); }, "has another content"},
      {[](TreeRecord& r) { r.mtime = 5; }, "has time 5, must be 1700000000"},
      {[](TreeRecord& r) { r.attributes = "user.x=eA=="; }, "has attributes 'user.x=eA==', must be ''"},
      {[](TreeRecord& r) { r.type = 'l'; }, "is a link, must be a file"},
      {[](TreeRecord& r) { r.mode = 0600, r.uid = 2; }, "has mode 0600, must be 0644; belongs to 2:0, must be 0:0"},
  };
  for (const Case& one : cases) {
    TreeRecord changed = file("/a");
    one.change(changed);
    EXPECT_THAT(lines(compare_files({file("/a")}, {changed}, Booted::no)), ElementsAre(std::string("/a: ") + one.what));
  }
  TreeRecord elsewhere = link("/a");
  elsewhere.content = "other";
  EXPECT_THAT(lines(compare_files({link("/a")}, {elsewhere}, Booted::no)), ElementsAre("/a: leads to 'other', must be 'target'"));
}

TEST(Comparison, FindsWhatIsMissingAndWhatIsMore) {
  EXPECT_THAT(lines(compare_files({file("/a"), file("/c")}, {file("/b"), file("/c")}, Booted::no)),
              ElementsAre("/a: is missing", "/b: is not of the image: file, mode 0644, owner 0:0"));
}

TEST(Comparison, KnowsTheFolderOfMke2fs) {
  TreeRecord lost = folder("/lost+found");
  lost.mode = 0700;
  EXPECT_THAT(lines(compare_files({}, {lost}, Booted::no)), IsEmpty());
  lost.uid = 5;
  EXPECT_THAT(lines(compare_files({}, {lost}, Booted::no)), ElementsAre("/lost+found: is not of the image: folder, mode 0700, owner 5:0"));
  EXPECT_THAT(lines(compare_files({}, {file("/lost+found/x")}, Booted::no)), ElementsAre("/lost+found/x: is not of the image: file, mode 0644, owner 0:0"));
}

TEST(Comparison, ExceptsWhatMachinesThatRanChange) {
  TreeRecord id = file("/etc/machine-id");
  id.content = std::string(64, 'b');
  EXPECT_THAT(lines(compare_files({file("/etc/machine-id")}, {id}, Booted::no)), ElementsAre("/etc/machine-id: has another content"));
  const Comparison booted = compare_files({file("/etc/machine-id")}, {id, file("/var/log/x")}, Booted::yes);
  EXPECT_THAT(lines(booted), IsEmpty());
  EXPECT_THAT(booted.excepted, ElementsAre("/etc/machine-id", "/var/log/x"));
}

TEST(Comparison, ExceptsTheTimeOfAFolderOnlyWhereANameMayComeOrGo) {
  const std::vector<TreeRecord> before = {folder("/etc"), folder("/etc/cloud"), file("/etc/machine-id")};
  std::vector<TreeRecord> after = before;
  after[1].mtime = 5;
  EXPECT_THAT(lines(compare_files(before, after, Booted::yes)), ElementsAre("/etc/cloud: has time 5, must be 1700000000"));
  after.push_back(file("/etc/cloud/cloud-init.disabled"));
  EXPECT_THAT(lines(compare_files(before, after, Booted::yes)), IsEmpty());
  after[1].mode = 0777;
  EXPECT_THAT(lines(compare_files(before, after, Booted::yes)), ElementsAre("/etc/cloud: has mode 0777, must be 0755; has time 5, must be 1700000000"));
}

TEST(BootRows, KeepTypeOwnerAndModeOfWhatIsOnlyRewritten) {
  const TreeRecord passwd = file("/etc/passwd");
  TreeRecord other = passwd;
  other.content = std::string(64, 'b');
  other.size = 9;
  other.mtime = 5;
  EXPECT_TRUE(may_become(&passwd, &other));
  const std::function<void(TreeRecord&)> changes[] = {
      [](TreeRecord& r) { r.mode = 0666; }, [](TreeRecord& r) { r.uid = 1; }, [](TreeRecord& r) { r.gid = 1; },
      [](TreeRecord& r) { r.type = 'l'; }, [](TreeRecord& r) { r.attributes = "user.a=eA=="; }};
  for (const auto& change : changes) {
    TreeRecord changed = other;
    change(changed);
    EXPECT_FALSE(may_become(&passwd, &changed));
  }
  EXPECT_FALSE(may_become(&passwd, nullptr));
  EXPECT_FALSE(may_become(nullptr, &passwd));
}

TEST(BootRows, LetNothingAppearOfAnotherType) {
  const TreeRecord key = file("/etc/ssh/ssh_host_ed25519_key");
  EXPECT_TRUE(may_become(nullptr, &key));
  TreeRecord as_link = key;
  as_link.type = 'l';
  EXPECT_FALSE(may_become(nullptr, &as_link));
  const TreeRecord device = {.path = "/var/log/x", .type = 'b', .mode = 0666};
  EXPECT_FALSE(may_become(nullptr, &device));
}

TEST(BootRows, LetNoProgramGetTheRightsOfItsOwner) {
  TreeRecord program = file("/var/tmp/sh");
  EXPECT_TRUE(may_become(nullptr, &program));
  program.mode = 04755;
  EXPECT_FALSE(may_become(nullptr, &program));
  program.mode = 02755;
  EXPECT_FALSE(may_become(nullptr, &program));
  program.mode = 0755;
  program.attributes = "security.capability=AQ==";
  EXPECT_FALSE(may_become(nullptr, &program));
}

TEST(BootRows, LetNothingElseChange) {
  for (const char* path : {"/usr/bin/sudo", "/etc/ssh/sshd_config", "/etc/sudoers.d/x", "/etc/cron.d/x", "/etc/systemd/system/x.service", "/etc/ld.so.preload",
                           "/boot/vmlinuz", "/var/lib/dpkg/status", "/etc/ssh/ssh_host_rsa_key/x", "/etc/pam.d/sshd", "/usr/lib/appliance/image.json"}) {
    const TreeRecord record = file(path);
    EXPECT_FALSE(may_become(nullptr, &record)) << path;
    EXPECT_FALSE(may_become(&record, nullptr)) << path;
    TreeRecord other = record;
    other.content = std::string(64, 'b');
    EXPECT_FALSE(may_become(&record, &other)) << path;
  }
}

TEST(BootRows, SayWhyEachIsThere) {
  for (const BootRow& row : boot_rows()) {
    EXPECT_EQ(row.pattern[0], '/');
    EXPECT_FALSE(std::string(row.why).empty()) << row.pattern;
    EXPECT_EQ(std::string(row.types).find_first_not_of("fdl"), std::string::npos) << row.pattern;
  }
}

}  // namespace
}  // namespace imgbuild
