#include "peers/package.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "complaint.h"
#include "unit/peers/deployment.h"
#include "util/command.h"
#include "util/io.h"

namespace imgbuild::test {
namespace {

using nlohmann::json;

json good_package() {
  static const std::string certificate = certificate_for({"prod-a1", "vote.example.org"});
  return {{"ssl_certificate", certificate}, {"ip_address", "192.168.50.6"}, {"hostname", "prod-a1"}, {"port", 5000}, {"version", 1}};
}

PeerPackage read(const std::string& text, const std::string& machine = "prod-a1", std::time_t now = kNow) {
  const Environment environment = deployment();
  return read_package(text, {.origin = "a1.pkg", .environment = environment, .machine = machine, .now = now});
}

/// What is said of a good package with 'change' made to it.
std::string complaint(const json& change, std::time_t now = kNow) {
  json package = good_package();
  package.update(change);
  return complaint_of([&] { (void)read(package.dump(), "prod-a1", now); });
}

std::string complaint_of_text(const std::string& text) {
  return complaint_of([&] { (void)read(text); });
}

TEST(PeerPackage, SaysWhatItHolds) {
  const PeerPackage package = read(good_package().dump());
  EXPECT_EQ(package.hostname, "prod-a1");
  EXPECT_EQ(package.ip_address, "192.168.50.6");
  EXPECT_EQ(package.port, 5000U);
  EXPECT_EQ(package.version, 1U);
  EXPECT_EQ(package.facts.dns_names, (std::vector<std::string>{"prod-a1", "vote.example.org"}));
}

TEST(PeerPackage, MayLackPortAndVersion) {
  json package = good_package();
  package.erase("port");
  package.erase("version");
  EXPECT_EQ(read(package.dump()).port, std::nullopt);
  EXPECT_EQ(json::parse(package_line(read(package.dump()))), package);
}

TEST(PeerPackage, IsOneLineAgainWithoutTheKeysOfOthers) {
  json package = good_package();
  package["password"] = "hunter2";
  const std::string line = package_line(read(package.dump(2) + "\n"));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(json::parse(line), good_package());
}

TEST(PeerPackage, MayHaveThePublicAddress) {
  const json package = {{"ssl_certificate", certificate_for({"prod-s1"})}, {"ip_address", "203.0.113.4"}, {"hostname", "prod-s1"}};
  EXPECT_EQ(read(package.dump(), "").ip_address, "203.0.113.4");
}

struct BadText {
  const char* name;
  std::string text;
  const char* message;
};

class BadPackageText : public testing::TestWithParam<BadText> {};
TEST_P(BadPackageText, IsRefused) { EXPECT_EQ(complaint_of_text(GetParam().text), GetParam().message); }

INSTANTIATE_TEST_SUITE_P(
    , BadPackageText,
    testing::Values(
        BadText{"Nothing", "", "a1.pkg: is no JSON text, from byte 1 on"},
        BadText{"CutOff", good_package().dump().substr(0, 40), "a1.pkg: is no JSON text, from byte 41 on"},
        BadText{"NoUtf8", "{\"hostname\": \"\xff\"}", "a1.pkg: is no JSON text, from byte 15 on"},
        BadText{"List", "[]", "a1.pkg: must be one JSON object, is a list"},
        BadText{"Null", "null", "a1.pkg: must be one JSON object, is null"},
        BadText{"KeyTwice", R"({"hostname": "prod-a1", "hostname": "prod-a2"})", "a1.pkg: key 'hostname' is there twice"},
        BadText{"KeyTwiceInside", R"({"x": {"a": 1, "a": 2}})", "a1.pkg: key 'a' is there twice"},
        BadText{"TooDeep", std::string(9, '[') + std::string(9, ']'), "a1.pkg: is nested deeper than 8 levels"},
        BadText{"FarTooDeep", std::string(30'000, '['), "a1.pkg: is nested deeper than 8 levels"},
        BadText{"TooLong", std::string(32'769, ' '), "a1.pkg: is longer than 32 KiB"},
        BadText{"HugeNumber", R"({"port": 1e999})", "a1.pkg: holds a number that is too large"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(BadJson, IsRefusedWithMoreAfterIt) {
  const std::string good = good_package().dump();
  EXPECT_EQ(complaint_of_text(good + "{}"), fmt::format("a1.pkg: is no JSON text, from byte {} on", good.size() + 1));
}

struct BadField {
  const char* name;
  json change;
  const char* message;
};

class BadPackage : public testing::TestWithParam<BadField> {};
TEST_P(BadPackage, IsRefused) { EXPECT_EQ(complaint(GetParam().change), GetParam().message); }

constexpr const char* kNameRule = "a1.pkg: hostname: must be a host name of at most 63 lower-case letters, digits and '-', such as prod-s1, is ";

INSTANTIATE_TEST_SUITE_P(
    , BadPackage,
    testing::Values(
        BadField{"NameOfAnother", {{"hostname", "prod-a2"}}, "a1.pkg: hostname: must be 'prod-a1', is 'prod-a2'"},
        BadField{"NameIsNumber", {{"hostname", 1}}, "a1.pkg: hostname: must be text, is a number"},
        BadField{"NameIsLong", {{"hostname", std::string(100, 'a')}}, "a1.pkg: hostname: must be shorter than 100 bytes, has 100"},
        BadField{"AddressOfAnother", {{"ip_address", "192.168.50.7"}}, "a1.pkg: ip_address: must be '192.168.50.6', is '192.168.50.7'"},
        BadField{"AddressIsLoopback", {{"ip_address", "127.0.0.1"}},
                 "a1.pkg: ip_address: must be an IP address that a machine can have, such as 192.168.50.4, is '127.0.0.1'"},
        BadField{"AddressHasALine", {{"ip_address", "192.168.50.6\nevil"}},
                 "a1.pkg: ip_address: must be an IP address that a machine can have, such as 192.168.50.4, is '192.168.50.6\\nevil'"},
        BadField{"PortIsZero", {{"port", 0}}, "a1.pkg: port: must be a number from 1 to 65535, is '0'"},
        BadField{"PortIsTooHigh", {{"port", 65536}}, "a1.pkg: port: must be a number from 1 to 65535, is '65536'"},
        BadField{"PortIsNegative", {{"port", -1}}, "a1.pkg: port: must be a number from 1 to 65535, is '-1'"},
        BadField{"PortIsReal", {{"port", 5000.5}}, "a1.pkg: port: must be a number from 1 to 65535, is '5000.5'"},
        BadField{"PortIsText", {{"port", "5000"}}, "a1.pkg: port: must be a number from 1 to 65535, is text"},
        BadField{"PortIsBoolean", {{"port", true}}, "a1.pkg: port: must be a number from 1 to 65535, is true or false"},
        BadField{"VersionIsTooHigh", {{"version", 10'000}}, "a1.pkg: version: must be a number from 1 to 9999, is '10000'"},
        BadField{"CertificateIsObject", {{"ssl_certificate", json::object()}}, "a1.pkg: ssl_certificate: must be text, is an object"},
        BadField{"CertificateIsLong", {{"ssl_certificate", std::string(10'000, 'a')}},
                 "a1.pkg: ssl_certificate: must be shorter than 10000 bytes, has 10000"},
        BadField{"CertificateIsNone", {{"ssl_certificate", "hello"}},
                 "a1.pkg: ssl_certificate: must be one certificate in PEM form and nothing else"},
        BadField{"CertificateIsDamaged",
                 {{"ssl_certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}},
                 "a1.pkg: ssl_certificate: holds no certificate in PEM form"},
        BadField{"TwoCertificates", {{"ssl_certificate", certificate_for({"prod-a1"}) + certificate_for({"prod-a1"})}},
                 "a1.pkg: ssl_certificate: holds more than one certificate"},
        BadField{"TextBeforeIt", {{"ssl_certificate", "x\n" + certificate_for({"prod-a1"})}},
                 "a1.pkg: ssl_certificate: must be one certificate in PEM form and nothing else"},
        BadField{"TextAfterIt", {{"ssl_certificate", certificate_for({"prod-a1"}) + "x\n"}},
                 "a1.pkg: ssl_certificate: must be one certificate in PEM form and nothing else"},
        BadField{"PrivateKey", {{"ssl_certificate", make_private_key(KeyType::ec_p256).reveal()}},
                 "a1.pkg: ssl_certificate: holds a private key, which must never leave its machine\n"
                 "hint: have new keys made in that machine: this one is known to others now"},
        BadField{"CertificateOfAnother", {{"ssl_certificate", certificate_for({"prod-a2", "vote.example.org"})}},
                 "a1.pkg: ssl_certificate: must be for 'prod-a1', is for 'prod-a2', 'vote.example.org'"},
        BadField{"CertificateWithControlCharacters", {{"ssl_certificate", certificate_for({"\x1b[2J"})}},
                 "a1.pkg: ssl_certificate: must be for 'prod-a1', is for '\\x1b[2J'"},
        BadField{"KeyOfAnotherKind", {{"ssl_certificate", certificate_for({"prod-a1"}, KeyType::ed25519)}},
                 "a1.pkg: ssl_certificate: must have an RSA key from 2048 bits or an EC key from 256 bits, has ED25519 of 256 bits"}),
    [](const auto& tested) { return std::string(tested.param.name); });

class BadName : public testing::TestWithParam<const char*> {};
TEST_P(BadName, IsRefused) {
  const std::string said = complaint({{"hostname", GetParam()}});
  EXPECT_TRUE(said.starts_with(kNameRule)) << said;
}
INSTANTIATE_TEST_SUITE_P(, BadName, testing::Values("", "../a1", "a1/..", "prod-a1\n", "Prod-a1", "prod a1", "$(reboot)", "-a1", "prod-а1"));

TEST(BadCertificate, IsRefusedWhenKeysAreMissing) {
  for (const char* key : {"hostname", "ip_address", "ssl_certificate"}) {
    json package = good_package();
    package.erase(key);
    EXPECT_EQ(complaint_of_text(package.dump()), fmt::format("a1.pkg: key '{}' is missing", key));
  }
}

TEST(BadCertificate, IsRefusedOutOfItsTime) {
  EXPECT_EQ(complaint(json::object(), kNow + 3650 * 86'400LL), "a1.pkg: ssl_certificate: expired on 2036-05-24 20:26 UTC");
  EXPECT_EQ(complaint(json::object(), kNow - 2 * 86'400),
            "a1.pkg: ssl_certificate: is not valid before 2026-05-27 20:26 UTC, and this host's clock says 2026-05-26 20:26 UTC");
}

TEST(BadCertificate, IsRefusedOfAMachineThatIsNotThere) {
  json package = good_package();
  package["hostname"] = "prod-a9";
  EXPECT_EQ(complaint_of([&] { (void)read(package.dump(), ""); }),
            "a1.pkg: hostname: there is no machine 'prod-a9' in 'prod.yml', did you mean 'prod-a1'?");
}

/// What the openssl program makes, which can do worse than our own code.
std::string openssl_certificate(const std::vector<std::string>& more) {
  io::TemporaryDirectory folder(std::filesystem::temp_directory_path(), "package-test");
  std::vector<std::string> arguments = {"req", "-x509", "-nodes", "-keyout", folder.path() / "k", "-subj", "/CN=prod-a1",
                                        "-addext", "subjectAltName=DNS:prod-a1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  SystemCommandRunner runner;
  return run_checked(runner, {.program = "openssl", .arguments = arguments}).out;
}

TEST(BadCertificate, IsRefusedWhenItMaySignOthers) {
  EXPECT_EQ(complaint({{"ssl_certificate", openssl_certificate({"-newkey", "rsa:2048"})}}, std::time(nullptr)),
            "a1.pkg: ssl_certificate: may sign others (CA:TRUE), which lets its owner make peers");
}

TEST(BadCertificate, IsRefusedWithAShortKey) {
  const std::string pem = openssl_certificate({"-newkey", "rsa:1024", "-addext", "basicConstraints=critical,CA:FALSE"});
  EXPECT_EQ(complaint({{"ssl_certificate", pem}}, std::time(nullptr)),
            "a1.pkg: ssl_certificate: must have an RSA key from 2048 bits or an EC key from 256 bits, has RSA of 1024 bits");
}

TEST(BadCertificate, IsRefusedWithAnOldSignature) {
  const std::string pem = openssl_certificate({"-newkey", "rsa:2048", "-sha1", "-addext", "basicConstraints=critical,CA:FALSE"});
  EXPECT_EQ(complaint({{"ssl_certificate", pem}}, std::time(nullptr)), "a1.pkg: ssl_certificate: must be signed with SHA-256 or better");
}

}  // namespace
}  // namespace imgbuild::test
