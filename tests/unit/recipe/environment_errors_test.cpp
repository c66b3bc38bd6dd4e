#include <gtest/gtest.h>

#include "unit/recipe/bad_input.h"

namespace imgbuild::test {
namespace {

/// Each replaces a part of kEnvironmentText in project_fixture.h.
const BadInput kCases[] = {
    // clang-format off
    {"VersionIsOfLater", "version: 1", "version: 2",
     "prod.yml:1:10: version: must be 1, is '2'"},
    {"VersionIsText", "version: 1", "version: \"1\"",
     "prod.yml:1:10: version: must be a number, is text"},
    {"VersionIsMissing", "version: 1\n", "",
     "prod.yml:1:1: key 'version' is missing in the environment"},
    {"KeyIsMisspelt", "deployment: prod", "deploiment: prod",
     "prod.yml:1:1: key 'deployment' is missing in the environment\n"
     "prod.yml:2:1: unknown key 'deploiment' in the environment, did you mean 'deployment'?"},
    {"KeyIsRepeated", "timezone: UTC", "domain: vote.example.com",
     "prod.yml:4:1: repeated key 'domain'"},
    {"KeyHasNoLikeness", "timezone: UTC", "colour: blue",
     "prod.yml:4:1: unknown key 'colour' in the environment, known are 'version', 'deployment', 'domain', 'base', 'timezone', 'network', 'machines', 'ssh_authorized_keys', 'keys', 'lab', 'settings'"},
    {"DeploymentHasUnderscore", "deployment: prod", "deployment: pro_d",
     "prod.yml:2:13: deployment: must be a name of at most 63 lower-case letters, digits and '-', such as prod, is 'pro_d'"},
    {"DeploymentLeadsOutOfFolder", "deployment: prod", "deployment: ../prod",
     "prod.yml:2:13: deployment: must be a name of at most 63 lower-case letters, digits and '-', such as prod, is '../prod'"},
    {"DeploymentIsNumber", "deployment: prod", "deployment: 2031",
     "prod.yml:2:13: deployment: must be a name of at most 63 lower-case letters, digits and '-', such as prod, is a number"},
    {"DeploymentIsBareYes", "deployment: prod", "deployment: yes",
     "prod.yml:2:13: without quotes this value is read differently by different programs"},
    {"DeploymentHasNoValue", "deployment: prod", "deployment:",
     "prod.yml:2:1: deployment: must be a name of at most 63 lower-case letters, digits and '-', such as prod, is nothing"},
    {"DomainHasOneLabel", "domain: vote.example.org", "domain: localhost",
     "prod.yml:3:9: domain: must be a domain name in lower case such as vote.example.org, is 'localhost'"},
    {"DomainHasCapital", "domain: vote.example.org", "domain: Vote.example.org",
     "prod.yml:3:9: domain: must be a domain name in lower case such as vote.example.org, is 'Vote.example.org'"},
    {"DomainIsAddress", "domain: vote.example.org", "domain: 192.168.50.4",
     "prod.yml:3:9: domain: must be a domain name in lower case such as vote.example.org, is '192.168.50.4'"},
    {"DomainEndsWithDot", "domain: vote.example.org", "domain: vote.example.org.",
     "prod.yml:3:9: domain: must be a domain name in lower case such as vote.example.org, is 'vote.example.org.'"},
    {"DomainIsList", "domain: vote.example.org", "domain: [vote.example.org]",
     "prod.yml:3:9: domain: must be a domain name in lower case such as vote.example.org, is a list"},
    {"BaseIsUnknown", "timezone: UTC", "base: ubuntu-2404",
     "prod.yml:4:7: base: unknown base 'ubuntu-2404', did you mean 'ubuntu-24.04'?"},
    {"BaseIsNoFile", "timezone: UTC", "base: ./disk.qcow2",
     "prod.yml:4:7: base: no disk image './disk.qcow2'"},
    {"TimezoneHasSpace", "timezone: UTC", "timezone: Europe/New York",
     "prod.yml:4:11: timezone: must be a time zone such as Europe/Vienna or UTC, is 'Europe/New York'"},
    {"TimezoneLeadsOut", "timezone: UTC", "timezone: ../../etc/passwd",
     "prod.yml:4:11: timezone: must be a time zone such as Europe/Vienna or UTC, is '../../etc/passwd'"},
    {"KeysPlaceIsUnknown", "timezone: UTC", "keys: sead",
     "prod.yml:4:7: keys: unknown place 'sead', did you mean 'seed'?"},
    {"LabIsText", "timezone: UTC", "lab: \"true\"",
     "prod.yml:4:6: lab: must be true or false, is text"},
    {"LabIsBareYes", "timezone: UTC", "lab: yes",
     "prod.yml:4:6: without quotes this value is read differently by different programs"},
    {"SshKeyIsPrivate", "ssh_authorized_keys: [\"", "ssh_authorized_keys: [\"-----BEGIN OPENSSH PRIVATE KEY-----\", \"",
     "prod.yml:5:23: ssh_authorized_keys 1: is a private key, put the public one here (the file that ends in .pub)"},
    {"SshKeyIsRepeated", "ssh_authorized_keys: [\"", "ssh_authorized_keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMKaWKCsPfjWSBjKvKs6CYqfqmgMJH4MTe3oUGzyH19a me\", \"",
     "prod.yml:5:110: ssh_authorized_keys 2: is there twice"},
    {"SshKeyIsCutOff", "zyH19a ops\"", "zyH ops\"",
     "prod.yml:5:23: ssh_authorized_keys 1: is cut off or damaged"},
    {"SshKeyTypeDiffersFromBlob", "[\"ssh-ed25519", "[\"ssh-rsa",
     "prod.yml:5:23: ssh_authorized_keys 1: says another type than the key in it"},
    {"SshKeyHasOptions", "[\"ssh-ed25519", "[\"no-pty ssh-ed25519",
     "prod.yml:5:23: ssh_authorized_keys 1: must be a public ssh key such as 'ssh-ed25519 AAAA… ops', without options"},
    {"SshKeysAreNoList", "timezone: UTC\nssh_authorized_keys: [\"", "ssh_authorized_keys: x\nkeyz: [\"",
     "prod.yml:4:22: ssh_authorized_keys: must be a list, is text\n"
     "prod.yml:5:1: unknown key 'keyz' in the environment, did you mean 'keys'?"},
    {"NetworkHasHostBits", "internal: 192.168.50.0/24", "internal: 192.168.50.1/24",
     "prod.yml:6:21: network.internal: must be a network such as 192.168.50.0/24 without host bits, not /0, is '192.168.50.1/24'"},
    {"NetworkIsEverybody", "ops: [192.168.50.1/32]", "ops: [0.0.0.0/0]",
     "prod.yml:6:44: network.ops 1: must be a network such as 192.168.50.0/24 without host bits, not /0, is '0.0.0.0/0'"},
    {"NetworkIsEverybodyInIpv6", "ops: [192.168.50.1/32]", "ops: [\"::/0\"]",
     "prod.yml:6:44: network.ops 1: must be a network such as 192.168.50.0/24 without host bits, not /0, is '::/0'"},
    {"NetworkPrefixIsTooLong", "ops: [192.168.50.1/32]", "ops: [192.168.50.1/33]",
     "prod.yml:6:44: network.ops 1: must be a network such as 192.168.50.0/24 without host bits, not /0, is '192.168.50.1/33'"},
    {"NetworkIsAddress", "ops: [192.168.50.1/32]", "ops: [192.168.50.1]",
     "prod.yml:6:44: network.ops 1: must be a network such as 192.168.50.0/24 without host bits, not /0, is '192.168.50.1'"},
    {"OpsNetworksAreEmpty", "ops: [192.168.50.1/32]", "ops: []",
     "prod.yml:6:43: network.ops: must hold at least one network, else nobody can log in"},
    {"OpsNetworkIsRepeated", "ops: [192.168.50.1/32]", "ops: [192.168.50.1/32, 192.168.50.1/32]",
     "prod.yml:6:61: network.ops 2: '192.168.50.1/32' is there twice"},
    {"OpsNetworksAreMissing", ", ops: [192.168.50.1/32]", "",
     "prod.yml:6:10: key 'ops' is missing in network"},
    {"NetworkHasUnknownKey", "internal: 192", "intern: 1, internal: 192",
     "prod.yml:6:11: unknown key 'intern' in network, did you mean 'internal'?"},
    {"NetworkIsText", "network: {internal: 192.168.50.0/24, ops: [192.168.50.1/32]}", "network: 192.168.50.0/24",
     "prod.yml:6:10: network: must be a map with 'internal', 'ops', 'load_balancers', is text"},
    {"LoadBalancersAreEverybody", "ops: [192.168.50.1/32]", "ops: [192.168.50.1/32], load_balancers: [0.0.0.0/0]",
     "prod.yml:6:79: network.load_balancers 1: must be a network such as 192.168.50.0/24 without host bits, not /0, is '0.0.0.0/0'"},
    {"LoadBalancersAreNoList", "ops: [192.168.50.1/32]", "ops: [192.168.50.1/32], load_balancers: 192.168.50.20/32",
     "prod.yml:6:78: network.load_balancers: must be a list, is text"},
    {"SettingIsUnknown", "title: Election", "title: Election, limitt: 1 MiB",
     "prod.yml:12:29: settings: unknown setting 'limitt', did you mean 'limit'?"},
    {"SettingIsMissing", "title: Election", "",
     "prod.yml:12:11: settings: 'title' is missing, role 'web-master' needs it"},
    {"SettingIsOfOtherType", "title: Election", "title: Election, limit: many",
     "prod.yml:12:36: settings: limit: must be a size such as 10 GiB (units: B, KiB, MiB, GiB, TiB), is 'many'"},
    {"SettingIsMap", "title: Election", "title: {a: b}",
     "prod.yml:12:19: settings: title: must be one line of text, at most 4096 bytes, is a map"},
    {"SettingHasControlCharacter", "title: Election", "title: \"a\\x1bb\"",
     "prod.yml:12:19: the text holds a control character\n"
     "prod.yml:12:19: settings: title: must be one line of text, at most 4096 bytes, is 'a\\x1bb'"},
    {"SecretIsTooShort", "title: Election", "title: Election, password: hunter2",
     "prod.yml:12:39: settings: password: must be 8 to 256 printable ASCII characters"},
    {"SecretIsNumber", "title: Election", "title: Election, password: 1234567890",
     "prod.yml:12:39: settings: password: must be text, is a number"},
    {"SecretIsReadDifferently", "title: Election", "title: Election, password: 0777123456",
     "prod.yml:12:39: without quotes this value is read differently by different programs"},
    {"SecretHasUmlaut", "title: Election", "title: Election, password: Geheimnisträger",
     "prod.yml:12:39: settings: password: must be 8 to 256 printable ASCII characters"},
    {"AnchorAndAlias", "title: Election", "title: &a Election, limit: *a",
     "prod.yml:12:19: anchors are not allowed\n"
     "prod.yml:12:32: settings: limit: must be a size such as 10 GiB (units: B, KiB, MiB, GiB, TiB), is nothing\n"
     "prod.yml:12:39: aliases are not allowed"},
    {"IndentationIsLost", "timezone: UTC", " timezone: UTC",
     "prod.yml:4:10: a ':' is not expected here, check the indentation or put the text into double quotes"},
    {"TabIndents", "timezone: UTC", "\ttimezone: UTC",
     "prod.yml:4:1: tab in the indentation, use spaces"},
    {"QuoteIsNeverClosed", "title: Election", "title: \"Election",
     "prod.yml:12:19: the quote that begins here is never closed"},
    // clang-format on
};

class BadEnvironment : public ProjectFixture, public testing::WithParamInterface<BadInput> {};

TEST_P(BadEnvironment, IsRefusedWithPositionAndReason) {
  write("prod.yml", with_defect(kEnvironmentText, GetParam()));
  EXPECT_EQ(environment_complaint(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(, BadEnvironment, testing::ValuesIn(kCases), name_of);

}  // namespace
}  // namespace imgbuild::test
