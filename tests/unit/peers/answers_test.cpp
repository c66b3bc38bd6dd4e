#include "peers/answers.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "complaint.h"
#include "peers/strict_json.h"

namespace imgbuild::test {
namespace {

using nlohmann::json;

const std::string kDigits(64, 'a');

json good_link() { return {{"peer", "prod-a1"}, {"port", 5000}, {"ok", true}, {"seen_as", "prod-s1,prod-s2"}, {"problem", ""}}; }

std::string list_complaint(const json& list) {
  return complaint_of([&] { (void)read_installed(list.dump(), "prod-s1"); });
}

std::string proof_complaint(const json& change) {
  json link = good_link();
  link.update(change);
  return complaint_of([&] { (void)read_proof(json{{"links", json::array({link})}}.dump(), "prod-s1"); });
}

TEST(InstalledList, GivesFingerprintsByName) {
  const json list = json::array({{{"hostname", "prod-a1"}, {"fingerprint", kDigits}}});
  EXPECT_EQ(read_installed(list.dump(), "prod-s1"), (std::map<std::string, std::string>{{"prod-a1", kDigits}}));
  EXPECT_TRUE(read_installed("[]", "prod-s1").empty());
}

TEST(InstalledList, IsRefusedInAnyOtherForm) {
  const json peer = {{"hostname", "prod-a1"}, {"fingerprint", kDigits}};
  EXPECT_EQ(list_complaint(json::object()), "prod-s1: must be a list, is an object");
  EXPECT_EQ(list_complaint({"prod-a1"}), "prod-s1: peer 1: must be an object, is text");
  EXPECT_EQ(list_complaint({{{"hostname", "prod-a1"}}}), "prod-s1: peer 1: key 'fingerprint' is missing");
  EXPECT_EQ(list_complaint({{{"hostname", "../x"}, {"fingerprint", kDigits}}}),
            "prod-s1: peer 1: hostname: must be a host name of at most 63 lower-case letters, digits and '-', such as prod-s1, is '../x'");
  EXPECT_EQ(list_complaint({{{"hostname", "prod-a1"}, {"fingerprint", "AB"}}}),
            "prod-s1: peer 1: fingerprint: must be a SHA-256 digest of 64 hexadecimal digits in lower case, is 'AB'");
  EXPECT_EQ(list_complaint({peer, peer}), "prod-s1: peer 2: 'prod-a1' is there twice");
}

TEST(Proof, GivesItsLinks) {
  const std::vector<ProvenLink> links = read_proof(json{{"links", json::array({good_link()})}}.dump(), "prod-s1");
  ASSERT_EQ(links.size(), 1U);
  EXPECT_EQ(links[0].peer, "prod-a1");
  EXPECT_EQ(links[0].port, 5000U);
  EXPECT_EQ(links[0].ok, ProvenLink::Ok::yes);
  EXPECT_EQ(links[0].seen_as, "prod-s1,prod-s2");
}

TEST(Proof, IsRefusedInAnyOtherForm) {
  EXPECT_EQ(complaint_of([] { (void)read_proof("[]", "prod-s1"); }), "prod-s1: must be an object, is a list");
  EXPECT_EQ(complaint_of([] { (void)read_proof("{}", "prod-s1"); }), "prod-s1: key 'links' is missing");
  EXPECT_EQ(proof_complaint({{"ok", 1}}), "prod-s1: link 1: ok: must be true or false, is a number");
  EXPECT_EQ(proof_complaint({{"port", 70'000}}), "prod-s1: link 1: port: must be 1 to 65535, is 70000");
  EXPECT_EQ(proof_complaint({{"port", "5000"}}), "prod-s1: link 1: port: must be a number, is text");
  EXPECT_EQ(proof_complaint({{"problem", nullptr}}), "prod-s1: link 1: problem: must be text, is null");
}

TEST(Harmless, IsOneShortLineOfPrintableCharacters) {
  EXPECT_EQ(harmless("a\r\nb\x1b[31m\xc3\xa4\n\n"), "a; b?[31m??");
  EXPECT_EQ(harmless(std::string(400, 'x')), std::string(300, 'x') + "...");
}

}  // namespace
}  // namespace imgbuild::test
