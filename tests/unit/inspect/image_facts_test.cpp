#include "inspect/image_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/image_difference.h"

namespace imgbuild {
namespace {

using testing::ElementsAre;

std::vector<std::string> lines(const std::vector<ImageSetting>& settings) {
  std::vector<std::string> lines;
  for (const ImageSetting& setting : settings) lines.push_back(setting.place + "|" + setting.name + "|" + setting.value);
  return lines;
}

TEST(DpkgStatus, GivesInstalledPackagesOnly) {
  const std::vector<ManifestPackage> packages = parse_dpkg_status(
      "Package: zsh\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.9\n\n"
      "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n"
      "Package: adduser\nStatus: hold ok installed\nDescription: a\n Package: not this\nArchitecture: all\nVersion: 3.134\n");
  ASSERT_EQ(packages.size(), 2U);
  EXPECT_EQ(packages[0].name + " " + packages[0].version + " " + packages[0].architecture, "adduser 3.134 all");
  EXPECT_EQ(packages[1].name + " " + packages[1].version + " " + packages[1].architecture, "zsh 5.9 amd64");
}

TEST(SshdSettings, AreThoseInEffect) {
  EXPECT_THAT(lines(sshd_settings({{"/etc/ssh/sshd_config.d/20-b.conf", "PermitRootLogin yes\nPort 22\n"},
                                   {"/etc/ssh/sshd_config.d/10-a.conf", "# PermitRootLogin yes\n  permitrootlogin no # ever\nMatch User ops\nX11Forwarding yes\n"},
                                   {"/etc/ssh/sshd_config.d/ignored", "PermitEmptyPasswords yes\n"},
                                   {"/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication no\nPort 2222\nPermitRootLogin yes\n"}})),
              ElementsAre("sshd|permitrootlogin|no", "sshd|Port|22", "sshd|PasswordAuthentication|no", "sshd|Port|2222"));
}

ImageContent sample() {
  ImageContent content;
  const auto link = [](const std::string& path, const std::string& target) { return TreeRecord{.path = path, .type = 'l', .mode = 0777, .content = target}; };
  content.files = {link("/etc/systemd/system/apt-daily.timer", "/dev/null"),
                   link("/etc/systemd/system/multi-user.target.wants/nginx.service", "/lib/systemd/system/nginx.service"),
                   link("/etc/systemd/system/sockets.target.requires/ssh.socket", "/lib/systemd/system/ssh.socket"),
                   link("/etc/systemd/system/sshd.service", "/lib/systemd/system/ssh.service")};
  content.texts = {
      {"/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\nops:x:1000:1000::/home/ops:/bin/bash\n"
                      "open:x:1001:1001::/:/bin/sh\nset:x:1002:1002::/:/bin/sh\n"},
      {"/etc/shadow", "root:*:1::::::\nops:!:1::::::\nopen::1::::::\nset:$y$secret:1::::::\n"},
      {"/etc/nginx/nginx.conf", "http {\n  server { \n    listen 443 ssl;\n    # listen 81;\n  }\n}\n"},
      {"/etc/postgresql/15/main/conf.d/x.conf", "listen_addresses = '*'\n"},
      {"/etc/memcached.conf", "-d\n-l 127.0.0.1\n"},
      {"/etc/nftables.conf", "table inet f {\n  chain input {\n    type filter hook input priority 0; policy drop;\n    tcp dport 22 accept\n"},
      {"/etc/sysctl.d/90-x.conf", "net.ipv4.ip_forward=0\n"},
      {kDpkgStatus, "Package: nginx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"}};
  return content;
}

TEST(ImageFacts, TellWhoReachesTheMachineAndHow) {
  const ImageFacts facts = facts_of(sample());
  EXPECT_THAT(facts.units, ElementsAre(testing::Pair("apt-daily.timer", "masked"), testing::Pair("nginx.service", "enabled"), testing::Pair("ssh.socket", "enabled")));
  std::vector<std::string> users;
  for (const ImageUser& user : facts.users) users.push_back(user.name + " " + user.uid + " " + user.shell + " " + user.password);
  EXPECT_THAT(users, ElementsAre("root 0 /bin/bash locked", "ops 1000 /bin/bash locked", "open 1001 /bin/sh none", "set 1002 /bin/sh set"));
  EXPECT_THAT(lines(facts.settings), ElementsAre("/etc/nginx/nginx.conf|listen|443 ssl", "/etc/postgresql/15/main/conf.d/x.conf|listen_addresses|'*'",
                                                 "/etc/memcached.conf|-l|127.0.0.1", "/etc/nftables.conf|type|filter hook input priority 0; policy drop;",
                                                 "/etc/nftables.conf|tcp dport|22 accept", "/etc/sysctl.d/90-x.conf|net.ipv4.ip_forward|0"));
}

TEST(ImageDifference, TellsWhatCameWentAndChanged) {
  ImageContent other = sample();
  other.texts[kDpkgStatus] = "Package: nginx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n";
  other.texts["/etc/nginx/nginx.conf"] = "listen 443 ssl;\nlisten 80;\n";
  other.files.erase(other.files.begin());
  other.files.push_back({.path = "/etc/x", .type = 'f', .mode = 0600, .size = 1, .content = "d1"});
  const ImageDifference difference = difference_of(summary_of(sample()), summary_of(other));
  EXPECT_THAT(difference.packages, ElementsAre(ImageChange{"nginx:amd64", "1", "2"}));
  EXPECT_THAT(difference.settings, ElementsAre(ImageChange{"/etc/nginx/nginx.conf listen", "443 ssl", "443 ssl, 80"}, ImageChange{"unit apt-daily.timer", "masked", ""}));
  EXPECT_THAT(difference.files, ElementsAre(ImageChange{"/etc/systemd/system/apt-daily.timer", "l 0777 0:0 → /dev/null time 0", ""},
                                            ImageChange{"/etc/x", "", "f 0600 0:0 1 bytes SHA-256 d1 time 0"}));
}

TEST(ImageDifference, LeavesOutTheTimeOfFolders) {
  ImageContent one;
  one.files = {{.path = "/", .type = 'd', .mode = 0755, .mtime = 1}};
  ImageContent other = one;
  other.files[0].mtime = 2;
  EXPECT_TRUE(difference_of(summary_of(one), summary_of(other)).files.empty());
}

}  // namespace
}  // namespace imgbuild
