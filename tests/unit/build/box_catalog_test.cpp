#include "build/box_catalog.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

class BoxCatalogTest : public ::testing::Test {
 protected:
  BoxCatalogTest() {
    manifest_.role = "web-master";
    manifest_.base = {{"architecture", "amd64"}};
    manifest_.artifacts = {{.file = "web-master.qcow2", .format = "qcow2", .sha256 = "q"},
                           {.file = "web-master.libvirt.box", .format = "box-libvirt", .sha256 = "l"}};
  }
  std::string version() {
    const std::optional<fs::path> path = write_box_catalog({.deployment = "prod", .description = "web", .folder = folder_.path()}, manifest_);
    return Json::parse(io::read_file(path.value())).at("versions").at(0).at("version");
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "catalog test"};
  fs::path path_ = folder_.path() / "web-master.box.json";
  Manifest manifest_;
};

TEST_F(BoxCatalogTest, NamesBoxesOnly) {
  EXPECT_EQ(version(), "1.0.0");
  const Json providers = Json::parse(io::read_file(path_)).at("versions").at(0).at("providers");
  ASSERT_EQ(providers.size(), 1U);
  EXPECT_EQ(providers[0].at("name"), "libvirt");
  EXPECT_EQ(providers[0].at("checksum"), "l");
}

TEST_F(BoxCatalogTest, EscapesWhatAnAddressMayNotHold) {
  (void)version();
  const std::string url = Json::parse(io::read_file(path_)).at("versions").at(0).at("providers").at(0).at("url");
  std::string folder = folder_.path().native();
  folder.replace(folder.find(' '), 1, "%20");
  EXPECT_EQ(url, "file://" + folder + "/web-master.libvirt.box");
}

TEST_F(BoxCatalogTest, CountsChangesOfTheBoxes) {
  EXPECT_EQ(version(), "1.0.0");
  EXPECT_EQ(version(), "1.0.0");
  manifest_.artifacts[0].sha256 = "another disk in another format";
  EXPECT_EQ(version(), "1.0.0");
  manifest_.artifacts[1].sha256 = "m";
  EXPECT_EQ(version(), "2.0.0");
  EXPECT_EQ(version(), "2.0.0");
}

TEST_F(BoxCatalogTest, BeginsAnewWhereItFindsNoneOfItsOwn) {
  for (const char* text : {"", "{}", "[]", R"({"versions": []})", R"({"versions": [{"version": 7}]})"}) {
    io::write_file(path_, text, 0644);
    EXPECT_EQ(version(), "1.0.0") << text;
  }
}

TEST_F(BoxCatalogTest, IsNotMadeWithoutBoxes) {
  manifest_.artifacts.pop_back();
  EXPECT_EQ(write_box_catalog({.deployment = "prod", .description = "web", .folder = folder_.path()}, manifest_), std::nullopt);
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace imgbuild
