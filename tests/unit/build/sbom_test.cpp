#include "build/sbom.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "build/provenance.h"

namespace imgbuild {
namespace {

using Json = nlohmann::json;

Manifest sample() {
  Manifest manifest;
  manifest.imgbuild = "0.1.0";
  manifest.role = "web-slave";
  manifest.roles = {"web-master", "web-slave"};
  manifest.plan = std::string(64, 'a');
  manifest.epoch = 1'700'000'000;
  manifest.base = {{"name", "bootstrap"}, {"digest", std::string(64, 'b')}, {"distribution", "debian"}, {"release", "12"}};
  manifest.steps = {{"overlay: web", std::string(64, 'c')}};
  manifest.packages = {{.name = "libstdc++6", .version = "1:12.2.0-14+deb12u1~x", .architecture = "amd64"},
                       {.name = "nginx", .version = "1.22.1-9", .architecture = "all", .sha256 = std::string(64, 'd')}};
  manifest.payloads = {{.name = "ballot-box", .sha256 = std::string(64, 'e')}};
  manifest.artifacts = {{.file = "web-slave.qcow2", .format = "qcow2", .sha256 = std::string(64, 'f'), .size = 4}};
  manifest.documents = {{.file = "web-slave.mtree.zst", .format = "mtree.zst", .sha256 = std::string(64, '1'), .size = 4}};
  return manifest;
}

TEST(PackageUrl, EncodesWhatAUrlMayNotHold) {
  EXPECT_EQ(package_url(sample(), sample().packages[0]), "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1~x?arch=amd64&distro=debian-12");
}

TEST(Spdx, HasEveryPackageWithItsDigestWhereItIsKnown) {
  const Json spdx = Json::parse(to_spdx(sample()));
  EXPECT_EQ(spdx["name"], "web-master+web-slave");
  EXPECT_EQ(spdx["creationInfo"]["created"], "2023-11-14T22:13:20Z");
  ASSERT_EQ(spdx["packages"].size(), 4U);
  EXPECT_EQ(spdx["packages"][1]["SPDXID"], "SPDXRef-deb-libstdc.2b..2b.6-amd64");
  EXPECT_FALSE(spdx["packages"][1].contains("checksums"));
  EXPECT_EQ(spdx["packages"][2]["checksums"][0]["checksumValue"], std::string(64, 'd'));
  EXPECT_EQ(spdx["packages"][2]["externalRefs"][0]["referenceLocator"], "pkg:deb/debian/nginx@1.22.1-9?arch=all&distro=debian-12");
  EXPECT_EQ(spdx["packages"][3]["name"], "ballot-box");
  EXPECT_EQ(spdx["relationships"].size(), 4U);
}

TEST(CycloneDx, HasEveryPackageWithItsDigestWhereItIsKnown) {
  const Json bom = Json::parse(to_cyclonedx(sample()));
  EXPECT_EQ(bom["metadata"]["component"]["name"], "web-master+web-slave");
  EXPECT_EQ(bom["serialNumber"], Json::parse(to_spdx(sample()))["documentNamespace"]);
  ASSERT_EQ(bom["components"].size(), 3U);
  EXPECT_FALSE(bom["components"][0].contains("hashes"));
  EXPECT_EQ(bom["components"][1]["hashes"][0]["content"], std::string(64, 'd'));
  EXPECT_EQ(bom["components"][2]["type"], "file");
}

TEST(Sboms, AreTheSameForRolesThatShareAnImageAndForAllFormats) {
  Manifest other = sample();
  other.role = "web-master";
  other.artifacts.clear();
  EXPECT_EQ(to_spdx(other), to_spdx(sample()));
  EXPECT_EQ(to_cyclonedx(other), to_cyclonedx(sample()));
}

TEST(Sboms, HaveAnotherIdWhenTheImageIsAnother) {
  const auto id = [](const Manifest& manifest) { return Json::parse(to_spdx(manifest))["documentNamespace"]; };
  Manifest other = sample();
  other.documents[0].sha256 = std::string(64, '2');
  EXPECT_NE(id(other), id(sample()));
  other = sample();
  other.packages[1].version = "1.22.1-10";
  EXPECT_NE(id(other), id(sample()));
}

TEST(Provenance, IsAStatementAboutEveryFile) {
  const Json statement = Json::parse(provenance_statement(sample()));
  EXPECT_EQ(statement["_type"], "https://in-toto.io/Statement/v1");
  EXPECT_EQ(statement["predicateType"], "https://slsa.dev/provenance/v1");
  ASSERT_EQ(statement["subject"].size(), 2U);
  EXPECT_EQ(statement["subject"][0], Json({{"name", "web-slave.qcow2"}, {"digest", {{"sha256", std::string(64, 'f')}}}}));
  const Json& definition = statement["predicate"]["buildDefinition"];
  EXPECT_EQ(definition["externalParameters"]["formats"], Json({"qcow2"}));
  EXPECT_EQ(definition["resolvedDependencies"].size(), 5U);
  EXPECT_EQ(statement["predicate"]["runDetails"]["builder"]["id"], "urn:imgbuild:builder:1");
}

/// The example of DSSE's protocol.md.
TEST(Dsse, EncodesLengthsBesideTheText) {
  EXPECT_EQ(dsse_encoding("http://example.com/HelloWorld", "hello world"), "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

}  // namespace
}  // namespace imgbuild
