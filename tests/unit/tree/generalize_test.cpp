#include "tree/generalize.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/tree_listing.h"
#include "util/io.h"
#include "util/root_folder.h"

namespace imgbuild {
namespace {

constexpr std::int64_t kEpoch = 1'700'000'000;

class Generalize : public testing::Test {
 protected:
  Generalize() : folder_(testing::TempDir(), "generalize"), root_(folder_.path()) {}

  void put(const std::string& path, const std::string& content = "x", mode_t mode = 0644) {
    root_.make_folder(split_path(path).first, 0755);
    root_.write_file(path, content, mode);
  }
  void run() {
    SilentStatus status;
    generalize(folder_.path(), kEpoch, status);
  }
  [[nodiscard]] std::vector<std::string> paths() const {
    std::vector<std::string> result;
    for (const TreeRecord& record : tree_listing(folder_.path())) result.push_back(record.path);
    return result;
  }

  io::TemporaryDirectory folder_;
  RootFolder root_;
};

TEST_F(Generalize, EmptiesTheMachineIdAndKeepsItsMode) {
  put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0444);
  run();
  EXPECT_EQ(root_.read_file("/etc/machine-id"), "");
  EXPECT_EQ(root_.status("/etc/machine-id")->st_mode & 07777U, 0444U);
}

TEST_F(Generalize, RemovesKeysThatClonesWouldShare) {
  for (const char* path : {"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub", "/etc/ssh/sshd_config",
                           "/etc/ssl/private/ssl-cert-snakeoil.key", "/etc/ssl/certs/ssl-cert-snakeoil.pem"}) {
    put(path);
  }
  root_.make_link("/etc/ssl/certs/0123abcd.0", "ssl-cert-snakeoil.pem");
  run();
  EXPECT_THAT(paths(), testing::ElementsAre("/", "/etc", "/etc/ssh", "/etc/ssh/sshd_config", "/etc/ssl", "/etc/ssl/certs",
                                            "/etc/ssl/private"));
}

TEST_F(Generalize, RemovesDatabaseClusters) {
  put("/etc/postgresql/15/main/postgresql.conf");
  put("/var/lib/postgresql/15/main/PG_VERSION");
  run();
  EXPECT_THAT(paths(), testing::ElementsAre("/", "/etc", "/etc/postgresql", "/etc/postgresql/15", "/var", "/var/lib",
                                            "/var/lib/postgresql", "/var/lib/postgresql/15"));
}

TEST_F(Generalize, RemovesLogsButKeepsTheirFolders) {
  put("/var/log/nginx/access.log");
  put("/var/log/.hidden");
  put("/var/log/dpkg.log");
  run();
  EXPECT_THAT(paths(), testing::ElementsAre("/", "/var", "/var/log", "/var/log/nginx"));
}

TEST_F(Generalize, KeepsALinkToTheNameServers) {
  root_.make_folder("/etc", 0755);
  root_.make_link("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
  run();
  EXPECT_EQ(root_.read_link("/etc/resolv.conf"), "../run/systemd/resolve/stub-resolv.conf");
}

TEST_F(Generalize, RemovesTheHostsNameServers) {
  put("/etc/resolv.conf", "nameserver 192.0.2.1\n");
  run();
  EXPECT_FALSE(root_.exists("/etc/resolv.conf"));
}

TEST_F(Generalize, KeepsThePackageDatabase) {
  put("/var/lib/dpkg/status", "Package: nginx\n");
  put("/var/lib/dpkg/status-old", "Package: nginx\n");
  put("/var/lib/apt/lists/mirror_InRelease");
  run();
  EXPECT_TRUE(root_.exists("/var/lib/dpkg/status"));
  EXPECT_FALSE(root_.exists("/var/lib/dpkg/status-old"));
  EXPECT_FALSE(root_.exists("/var/lib/apt/lists/mirror_InRelease"));
}

TEST_F(Generalize, PinsDaysOfPasswordsThatLieLater) {
  put("/etc/shadow", "root:*:99999:0:99999:7:::\nold:!:12000:0:99999:7:::\nodd\nempty:!::0:::::\n", 0640);
  run();
  EXPECT_EQ(root_.read_file("/etc/shadow"), "root:*:19675:0:99999:7:::\nold:!:12000:0:99999:7:::\nodd\nempty:!::0:::::\n");
  EXPECT_EQ(root_.status("/etc/shadow")->st_mode & 07777U, 0640U);
}

TEST_F(Generalize, PinsTimesOfFilesFoldersAndLinksThatLieLater) {
  put("/usr/share/new");
  put("/usr/share/old");
  root_.make_link("/usr/share/link", "new");
  const timespec times[2] = {{1000, 5}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder_.path() / "usr/share/old").c_str(), times, 0), 0);
  run();
  for (const char* path : {"/", "/usr/share", "/usr/share/new", "/usr/share/link"}) {
    EXPECT_EQ(root_.status(path)->st_mtim.tv_sec, kEpoch) << path;
    EXPECT_EQ(root_.status(path)->st_mtim.tv_nsec, 0) << path;
  }
  EXPECT_EQ(root_.status("/usr/share/old")->st_mtim.tv_sec, 1000);
}

TEST_F(Generalize, RemovesSocketsAndFifosAnywhere) {
  root_.make_folder("/root", 0755);
  ASSERT_EQ(::mkfifo((folder_.path() / "root/pipe").c_str(), 0600), 0);
  run();
  EXPECT_FALSE(root_.exists("/root/pipe"));
}

TEST_F(Generalize, ForgetsNamesOfTemporaryFilesInDebconf) {
  put("/var/cache/debconf/config.dat", "Name: ucf/show_diff\nVariables:\n DIFF = \n NEW = /tmp/x.LCLqEF\n\n");
  run();
  EXPECT_EQ(root_.read_file("/var/cache/debconf/config.dat"), "Name: ucf/show_diff\nVariables:\n DIFF = \n\n");
}

TEST_F(Generalize, IsNotLedOutOfTheTree) {
  const io::TemporaryDirectory outside(testing::TempDir(), "outside");
  io::write_file(outside.path() / "keep", "x", 0644);
  root_.make_folder("/var", 0755);
  root_.make_link("/var/log", outside.path().native());
  root_.make_link("/tmp", outside.path().native());
  run();
  EXPECT_TRUE(std::filesystem::exists(outside.path() / "keep"));
}

TEST_F(Generalize, ChangesNothingTheSecondTime) {
  put("/etc/machine-id", "0123\n");
  put("/etc/shadow", "root:*:99999:0:99999:7:::\n", 0640);
  put("/var/log/x");
  run();
  const std::vector<TreeRecord> once = tree_listing(folder_.path());
  run();
  EXPECT_THAT(difference(once, tree_listing(folder_.path())), testing::IsEmpty());
}

TEST(GeneralizeRows, SayWhyEach) {
  for (const GeneralizeRow& row : generalize_rows()) {
    EXPECT_EQ(row.pattern[0], '/') << row.pattern;
    EXPECT_STRNE(row.why, "") << row.pattern;
    EXPECT_EQ(row.content != nullptr, row.treatment == Treatment::write || row.treatment == Treatment::link) << row.pattern;
  }
}

}  // namespace
}  // namespace imgbuild
