#include "seed/template.h"

#include <gtest/gtest.h>

#include "complaint.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr const char* kHead = R"(version: 1
description: test
)";
constexpr const char* kCloudConfig = R"(cloud_config:
  hostname: {from: environment/hostname}
  manage_etc_hosts: false
  ssh_pwauth: false
  disable_root: true
  users: []
)";
constexpr const char* kNetwork = R"(network: {version: 2, ethernets: {}}
)";
constexpr const char* kFiles = R"(files: []
)";

class SeedTemplateFile : public ::testing::Test {
 protected:
  SeedTemplate read(const std::string& text) const {
    io::write_file(path_, text, 0644);
    return read_seed_template(path_);
  }
  /// The complaint with the file's path left out.
  std::string complaint(const std::string& text) const {
    std::string said = complaint_of([&] { (void)read(text); });
    for (std::size_t at = 0; (at = said.find(path_.native(), at)) != std::string::npos;) {
      said.replace(at, path_.native().size(), "web.yml");
    }
    return said;
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "template-test"};
  fs::path path_ = folder_.path() / "web.yml";
};

TEST_F(SeedTemplateFile, IsReadAsData) {
  const SeedTemplate seed = read(std::string(kHead) + kCloudConfig + kNetwork +
                                 "files:\n  - {path: /srv/key, owner: \"root:tlscert\", mode: \"0600\", from: vault/tls.key}\n");
  EXPECT_EQ(seed.name, "web");
  ASSERT_EQ(seed.files.size(), 1U);
  EXPECT_EQ(seed.files[0].path, "/srv/key");
  EXPECT_EQ(seed.files[0].owner, "root:tlscert");
  EXPECT_EQ(seed.files[0].mode, "0600");
  EXPECT_EQ(seed.files[0].origin, SeedOrigin::tls_key);
  const SeedOriginKind* hostname = placeholder(*yaml::find(seed.cloud_config, "hostname"));
  ASSERT_NE(hostname, nullptr);
  EXPECT_EQ(hostname->origin, SeedOrigin::hostname);
}

TEST_F(SeedTemplateFile, OfTheProjectAreAllValid) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(IMGBUILD_SOURCE_DIR "/cidata")) {
    if (entry.path().extension() != ".yml") continue;
    EXPECT_NO_THROW((void)read_seed_template(entry.path())) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 1);
}

TEST_F(SeedTemplateFile, CanRunNoCommand) {
  EXPECT_EQ(complaint(std::string(kHead) + kCloudConfig + "  runcmd: [id]\n" + kNetwork + kFiles),
            "web.yml:9:3: unknown key 'runcmd' in cloud_config, known are 'hostname', 'fqdn', 'manage_etc_hosts', "
            "'ssh_pwauth', 'disable_root', 'users', 'ssh_deletekeys', 'ssh_keys', 'timezone', 'growpart', "
            "'resize_rootfs'");
}

TEST_F(SeedTemplateFile, MayPutASecretIntoSshKeysOnly) {
  EXPECT_EQ(complaint(std::string(kHead) + kCloudConfig + "  fqdn: {from: vault/ssh_host_ed25519_key}\n" + kNetwork + kFiles),
            "web.yml:9:16: 'vault/ssh_host_ed25519_key' is secret and may be in ssh_keys only");
  EXPECT_NO_THROW((void)read(std::string(kHead) + kCloudConfig +
                             "  ssh_keys: {ed25519_private: {from: vault/ssh_host_ed25519_key}}\n" + kNetwork + kFiles));
}

TEST_F(SeedTemplateFile, MustKeepSecretFilesPrivate) {
  EXPECT_EQ(complaint(std::string(kHead) + kCloudConfig + kNetwork +
                      "files:\n  - {path: /k, owner: \"root:root\", mode: \"0640\", from: vault/tls.key}\n"),
            "web.yml:11:42: file 1: mode: must be \"0600\" for 'vault/tls.key', which is secret");
}

TEST_F(SeedTemplateFile, IsToldAllItsProblemsAtOnce) {
  EXPECT_EQ(complaint(std::string(kHead) + R"(cloud_config:
  hostname: {from: environment/hostnam}
  manage_etc_hosts: false
  ssh_pwauth: false
  disable_root: true
network: {version: 1, ethernets: {}}
files:
  - {path: ../k, owner: root, mode: "600", from: vault/tls.kye}
  - {path: /a, owner: "root:root", mode: "0644", from: vault/tls.crt}
  - {path: /a, owner: "root:root", mode: "0644", from: vault/tls.crt}
)"),
            R"(web.yml:4:3: key 'users' is missing in cloud_config
web.yml:4:20: unknown origin 'environment/hostnam', did you mean 'environment/hostname'?
web.yml:8:20: network: version: must be 2 to 2, is '1'
web.yml:10:12: file 1: path: must be an absolute path such as /etc/appliance/env.yml, is '../k'
web.yml:10:25: file 1: owner: must be USER:GROUP such as root:root, is 'root'
web.yml:10:37: file 1: mode: must be four octal digits such as "0600", is '600'
web.yml:10:50: unknown origin 'vault/tls.kye', did you mean 'vault/tls.key'?
web.yml:12:12: file 3: path: '/a' is there twice)");
}

TEST_F(SeedTemplateFile, GivesEachMachineItsOwnCertificateUnlessItSaysOtherwise) {
  const std::string text = std::string(kHead) + kCloudConfig + kNetwork + kFiles;
  EXPECT_EQ(read(text).tls, TlsSharing::own);
  EXPECT_EQ(read("tls: own\n" + text).tls, TlsSharing::own);
  EXPECT_EQ(read("tls: shared\n" + text).tls, TlsSharing::shared);
  EXPECT_EQ(complaint("tls: common\n" + text), "web.yml:1:6: tls: must be own or shared, is 'common'");
}

TEST_F(SeedTemplateFile, NamesTheAccountsThatHaveSshKeys) {
  const SeedTemplate seed =
      read("ssh_users: [postgres]\n" + std::string(kHead) + kCloudConfig + kNetwork +
           "files:\n  - {path: /k, owner: \"root:root\", mode: \"0600\", from: vault/ssh/postgres}\n");
  EXPECT_EQ(seed.ssh_users, std::vector<std::string>{"postgres"});
  EXPECT_EQ(seed.files.at(0).origin, SeedOrigin::ssh_user_key);
  EXPECT_EQ(seed.files.at(0).ssh_user, "postgres");
}

TEST_F(SeedTemplateFile, PutsOnlyKeysOfItsAccountsIntoFilesAndKeepsThemPrivate) {
  EXPECT_EQ(complaint("ssh_users: [postgres, host, ../x, postgres]\n" + std::string(kHead) + kCloudConfig + kNetwork + R"(files:
  - {path: /a, owner: "root:root", mode: "0600", from: vault/ssh/postgre}
  - {path: /b, owner: "root:root", mode: "0644", from: vault/ssh/postgres}
)"),
            R"(web.yml:1:23: ssh_users 2: must be the name of an account such as postgres, and not 'host', is 'host'
web.yml:1:29: ssh_users 3: must be the name of an account such as postgres, and not 'host', is '../x'
web.yml:1:35: ssh_users 4: 'postgres' is there twice
web.yml:12:56: unknown origin 'vault/ssh/postgre', did you mean 'vault/ssh/postgres'?
web.yml:13:42: file 2: mode: must be "0600" for 'vault/ssh/postgres', which is secret)");
}

TEST_F(SeedTemplateFile, MayNameOpenValuesInTheNetworkOnly) {
  const std::string head = std::string(kHead) + kCloudConfig;
  EXPECT_NO_THROW((void)read(head + "network: {version: 2, ethernets: {a: {match: {macaddress: {from: environment/internal_mac}}}}}\n" + kFiles));
  EXPECT_EQ(complaint(head + "network: {version: 2, ethernets: {a: {from: vault/ssh_host_ed25519_key}}}\n" + kFiles),
            "web.yml:9:45: 'vault/ssh_host_ed25519_key' is secret and may be in ssh_keys only");
  EXPECT_EQ(complaint(head + "network: {version: 2, ethernets: {a: {from: environment/internal_mack}}}\n" + kFiles),
            "web.yml:9:45: unknown origin 'environment/internal_mack', did you mean 'environment/internal_mac'?");
}

TEST(SeedOrigins, AreAllInTheReadme) {
  const std::string readme = io::read_file(IMGBUILD_SOURCE_DIR "/cidata/README.md");
  for (const SeedOriginKind::Place place : {SeedOriginKind::Place::value, SeedOriginKind::Place::file}) {
    for (const std::string& name : origin_names(place)) {
      EXPECT_NE(readme.find("| `" + name + "` |"), std::string::npos) << name;
    }
  }
}

TEST_F(SeedTemplateFile, ThatIsMissingIsSaid) {
  EXPECT_EQ(complaint_of([&] { (void)read_seed_template(path_); }),
            "cannot read '" + path_.native() + "': No such file or directory");
}

}  // namespace
}  // namespace imgbuild
