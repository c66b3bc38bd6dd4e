#include "seed/seed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "complaint.h"
#include "sample.h"
#include "util/command.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// What the Python at 'code' prints, given the user-data on standard input as cloud-init would read it: in variable
/// 'config', with 'files' as path → (owner, permissions, text).
std::string python(const std::string& code, const SeedFiles& files) {
  constexpr const char* kPrelude = R"(
import base64, json, sys, yaml
config = yaml.safe_load(sys.stdin.read())
assert all(f["encoding"] == "b64" for f in config["write_files"])
files = {f["path"]: (f["owner"], f["permissions"], base64.b64decode(f["content"]).decode()) for f in config["write_files"]}
)";
  SystemCommandRunner runner;
  std::string out = run_checked(runner, {.program = "/usr/bin/python3",
                                         .arguments = {"-c", kPrelude + code},
                                         .input = files.user_data.reveal()})
                        .out;
  return out.substr(0, out.find_last_not_of('\n') + 1);
}

class Seed : public ::testing::Test {
 protected:
  SeedFiles make() { return make_seed(web_template(), sample_input(environment_)); }
  std::string env_yml() { return python("print(files['/etc/appliance/env.yml'][2])", make()); }
  mode_t mode() const {
    struct stat info = {};
    EXPECT_EQ(::stat(path_.c_str(), &info), 0);
    return info.st_mode & 07777;
  }

  Environment environment_ = sample_environment();
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "seed-test"};
  fs::path path_ = folder_.path() / "prod-s1.seed.iso";
};

TEST_F(Seed, UserDataIsACloudConfig) { EXPECT_THAT(make().user_data.reveal(), StartsWith("#cloud-config\n")); }

TEST_F(Seed, TellsCloudInitWhatTheMachineIs) {
  EXPECT_EQ(python(R"(
del config["write_files"]
print(json.dumps(config, sort_keys=True, indent=1)))",
                   make()),
            R"({
 "disable_root": true,
 "fqdn": "prod-s1.vote.example.org",
 "growpart": {
  "devices": [
   "/"
  ],
  "ignore_growroot_disabled": false,
  "mode": "auto"
 },
 "hostname": "prod-s1",
 "manage_etc_hosts": false,
 "resize_rootfs": true,
 "ssh_deletekeys": true,
 "ssh_keys": {
  "ed25519_private": "-----BEGIN OPENSSH PRIVATE KEY-----\nHOST\n-----END OPENSSH PRIVATE KEY-----\n",
  "ed25519_public": "ssh-ed25519 AAAA prod-s1"
 },
 "ssh_pwauth": false,
 "timezone": "Europe/Vienna",
 "users": [
  {
   "gecos": "operations",
   "lock_passwd": true,
   "name": "ops",
   "shell": "/bin/bash",
   "ssh_authorized_keys": [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake ops"
   ],
   "sudo": "ALL=(ALL) NOPASSWD:ALL"
  }
 ]
})");
}

TEST_F(Seed, WritesItsFilesWithOwnersAndModes) {
  EXPECT_EQ(python("print('\\n'.join(' '.join((path, *files[path][:2])) for path in files))", make()),
            "/etc/appliance/env.yml root:root 0600\n"
            "/srv/certs/selfsigned/key-nopass.pem root:root 0600\n"
            "/srv/certs/selfsigned/cert.pem root:root 0644\n"
            "/etc/appliance/ssh/postgres root:root 0600\n"
            "/etc/appliance/ssh/ballotbox root:root 0600");
}

TEST_F(Seed, CarriesKeyAndCertificateToTheByte) {
  EXPECT_EQ(python("print(json.dumps([files['/srv/certs/selfsigned/' + f][2] for f in ('key-nopass.pem', 'cert.pem')]))",
                   make()),
            R"(["-----BEGIN PRIVATE KEY-----\nTLS\n-----END PRIVATE KEY-----\n", )"
            R"("-----BEGIN CERTIFICATE-----\nCRT\n-----END CERTIFICATE-----\n"])");
}

TEST_F(Seed, HasNoTlsFilesForAMachineThatMakesItsOwn) {
  SeedInput input = sample_input(environment_);
  input.tls.reset();
  EXPECT_EQ(python("print(*files)", make_seed(web_template(), input)),
            "/etc/appliance/env.yml /etc/appliance/ssh/postgres /etc/appliance/ssh/ballotbox");
}

TEST_F(Seed, ViewShowsEachMachinesPublicFactsAndItsOwnSettings) {
  const std::string instance = instance_id(make());
  EXPECT_EQ(env_yml(), R"(version: 1
deployment: "prod"
domain: "vote.example.org"
timezone: "Europe/Vienna"
seed: "web"
instance: ")" + instance + R"("
machine:
  name: "prod-s1"
  role: "web-master"
  private_ip: "192.168.50.4"
  public_ip: "203.0.113.4"
  node_id: 1
network:
  internal: "192.168.50.0/24"
  ops:
    - "192.168.50.1/32"
  load_balancers:
    - "192.168.50.20/32"
machines:
  - name: "prod-s1"
    role: "web-master"
    private_ip: "192.168.50.4"
    public_ip: "203.0.113.4"
    node_id: 1
    ssh:
      ballotbox: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake ballotbox@prod-s1"
      host: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake prod-s1"
      postgres: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake postgres@prod-s1"
  - name: "prod-s2"
    role: "web-slave"
    private_ip: "192.168.50.5"
    node_id: 2
    ssh:
      ballotbox: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake ballotbox@prod-s2"
      host: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake prod-s2"
      postgres: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake postgres@prod-s2"
  - name: "prod-a1"
    role: "authority"
    private_ip: "192.168.50.6"
    director: true
  - name: "prod-a2"
    role: "authority"
    private_ip: "192.168.50.7"
    external: true
users:
  - name: "ops"
    ssh_authorized_keys:
      - "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake ops"
settings:
  ballot_box_database_password: "ballot-box-password-1"
  iam_database_password: "iam-password-22")");
}

TEST_F(Seed, ViewIsAcceptedByTheRuntimeInTheMachine) {
  EXPECT_EQ(python("sys.path.insert(0, '" IMGBUILD_SOURCE_DIR "/overlays/common/usr/lib/appliance')\n"
                   "sys.dont_write_bytecode = True\n"
                   "from appliance import environment\n"
                   "e = environment.parse(files['/etc/appliance/env.yml'][2])\n"
                   "print(e.machine.name, len(e.machines), e.settings['iam_database_password'])",
                   make()),
            "prod-s1 4 iam-password-22");
}

TEST_F(Seed, HoldsNothingOfTheEnvironmentsOtherSettings) {
  EXPECT_THAT(make().user_data.reveal(), Not(HasSubstr("authority_password")));
  EXPECT_THAT(env_yml(), Not(HasSubstr("authority_password")));
  EXPECT_THAT(env_yml(), Not(HasSubstr("only-for-the-authority")));
}

TEST_F(Seed, HoldsSecretsInUserDataOnly) {
  const SeedFiles files = make();
  EXPECT_EQ(files.meta_data, "instance-id: \"" + instance_id(files) + "\"\nlocal-hostname: \"prod-s1\"\n");
  EXPECT_EQ(files.network_config,
            R"(version: 2
ethernets:
  primary:
    match:
      name: "e*"
    dhcp4: true
  internal:
    match:
      macaddress: ")" + internal_mac(environment_, environment_.machines.front()) + R"("
    addresses:
      - "192.168.50.4/24"
    dhcp4: false
    optional: true
)");
}

TEST_F(Seed, CarriesThePrivateSshKeysOfItsOwnAccounts) {
  EXPECT_EQ(python("print(json.dumps([files['/etc/appliance/ssh/' + u][2].split('\\n')[1] for u in ('postgres', 'ballotbox')]))", make()),
            R"(["postgres@prod-s1", "ballotbox@prod-s1"])");
}

TEST_F(Seed, OfAnAuthorityHoldsItsOwnKeysAndNobodysSshAccounts) {
  const SeedInput sample = sample_input(environment_);
  const SeedInput input{.environment = environment_,
                        .machine = environment_.machines.at(2),
                        .settings = {{"java_heap", Secret("536870912")}},
                        .tls = sample.tls,
                        .host_key = sample.host_key};
  const SeedFiles files = make_seed(read_seed_template(IMGBUILD_SOURCE_DIR "/cidata/authority.yml"), input);
  EXPECT_EQ(python("print(*files)", files),
            "/etc/appliance/env.yml /srv/certs/selfsigned/key-nopass.pem /srv/certs/selfsigned/cert.pem");
  const std::string view = python("print(files['/etc/appliance/env.yml'][2])", files);
  EXPECT_THAT(view, Not(HasSubstr("ssh:")));
  EXPECT_THAT(view, HasSubstr("settings:\n  java_heap: \"536870912\""));
}

TEST_F(Seed, InstanceIsTheNameAndTwelveHexDigits) {
  EXPECT_THAT(instance_id(make()), ::testing::MatchesRegex("prod-s1-[0-9a-f]{12}"));
}

TEST_F(Seed, IsTheSameForTheSameInput) {
  const SeedFiles one = make();
  const SeedFiles two = make();
  EXPECT_EQ(one.user_data.reveal(), two.user_data.reveal());
  EXPECT_EQ(one.meta_data, two.meta_data);
}

TEST_F(Seed, IsANewInstanceWhenAnythingChanges) {
  const SeedTemplate seed = web_template();
  const std::string before = instance_id(make());
  SeedInput secret = sample_input(environment_);
  secret.settings["iam_database_password"] = Secret("another");
  EXPECT_NE(instance_id(make_seed(seed, secret)), before);
  SeedInput host_key = sample_input(environment_);
  host_key.host_key.public_key += "x";
  EXPECT_NE(instance_id(make_seed(seed, host_key)), before);
  SeedTemplate network = seed;
  network.network = yaml::map({{"version", yaml::number(2)}});
  EXPECT_NE(instance_id(make_seed(network, sample_input(environment_))), before);
}

TEST_F(Seed, IsNotMadeForAnExternalMachine) {
  const SeedInput sample = sample_input(environment_);
  const SeedInput external{.environment = environment_, .machine = environment_.machines.at(3), .host_key = sample.host_key};
  EXPECT_EQ(complaint_of([&] { (void)make_seed(web_template(), external); }),
            "machine 'prod-a2' is external: its own people make its seed");
}

TEST_F(Seed, ErrorAboutAValueDoesNotShowIt) {
  SeedInput input = sample_input(environment_);
  input.settings["iam_database_password"] = Secret("se\x01cret");
  const std::string complaint = complaint_of([&] { (void)make_seed(web_template(), input); });
  EXPECT_THAT(complaint, HasSubstr("settings"));
  EXPECT_THAT(complaint, Not(HasSubstr("cret")));
}

TEST_F(Seed, ImageIsReadBack) {
  const SeedFiles files = make();
  write_seed(path_, files);
  const SeedFiles read = read_seed(path_);
  EXPECT_EQ(read.user_data.reveal(), files.user_data.reveal());
  EXPECT_EQ(read.meta_data, files.meta_data);
  EXPECT_EQ(read.network_config, files.network_config);
}

TEST_F(Seed, ImageIsPrivateWhateverTheUmask) {
  const mode_t old = ::umask(0);
  write_seed(path_, make());
  ::umask(old);
  EXPECT_EQ(mode(), 0600U);
}

TEST_F(Seed, ImageReplacesALinkInsteadOfWritingThroughIt) {
  io::write_file(folder_.path() / "other", "untouched", 0644);
  fs::create_symlink("other", path_);
  write_seed(path_, make());
  EXPECT_EQ(io::read_file(folder_.path() / "other"), "untouched");
  EXPECT_EQ(mode(), 0600U);
}

/// Lets this process write files of at most 4 KiB: a disk that fills up in the middle.
class SmallFilesOnly {
 public:
  SmallFilesOnly() {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    struct rlimit small = old_;
    small.rlim_cur = 4096;
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFilesOnly() { ::setrlimit(RLIMIT_FSIZE, &old_); }
  SmallFilesOnly(const SmallFilesOnly&) = delete;
  SmallFilesOnly& operator=(const SmallFilesOnly&) = delete;

 private:
  struct rlimit old_ = {};
};

TEST_F(Seed, ImageOfBeforeStaysWhenWritingFails) {
  io::write_file(path_, "the seed of before", 0600);
  {
    const SmallFilesOnly limit;
    EXPECT_THROW(write_seed(path_, make()), Error);
  }
  EXPECT_EQ(io::read_file(path_), "the seed of before");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator{}), 1);
}

TEST_F(Seed, AnotherVolumeIsNoSeed) {
  SystemCommandRunner runner;
  fs::create_directory(folder_.path() / "tree");
  run_checked(runner, {.program = "genisoimage",
                       .arguments = {"-quiet", "-R", "-J", "-V", "other", "-o", path_, folder_.path() / "tree"}});
  EXPECT_EQ(complaint_of([&] { (void)read_seed(path_); }),
            path_.native() + ": is no seed: its volume id is 'other', not 'cidata'");
}

TEST_F(Seed, WithoutUserDataIsNoSeed) {
  SystemCommandRunner runner;
  fs::create_directory(folder_.path() / "tree");
  io::write_file(folder_.path() / "tree/meta-data", "x", 0644);
  run_checked(runner, {.program = "genisoimage",
                       .arguments = {"-quiet", "-R", "-J", "-V", "cidata", "-o", path_, folder_.path() / "tree"}});
  EXPECT_EQ(complaint_of([&] { (void)read_seed(path_); }), path_.native() + ": is no seed: it holds no 'user-data'");
}

TEST_F(Seed, AnotherImageIsNoSeed) {
  io::write_file(path_, "x", 0600);
  EXPECT_EQ(complaint_of([&] { (void)read_seed(path_); }), path_.native() + ": is no ISO 9660 image");
}

}  // namespace
}  // namespace imgbuild
