#include "build/manifest.h"

#include <gtest/gtest.h>

#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class ManifestTest : public ::testing::Test {
 protected:
  ManifestTest() {
    io::write_file(folder_.path() / "web-master.qcow2", "disk", 0644);
    manifest_.role = "web-master";
    manifest_.roles = {"web-master"};
    manifest_.plan = std::string(64, 'a');
    manifest_.base = {{"name", "bootstrap"}};
    manifest_.steps = {{"overlay: web", std::string(64, 'b')}};
    manifest_.packages = {{.name = "nginx", .version = "1.22.1-9", .architecture = "amd64"}};
    manifest_.artifacts = {{.file = "web-master.qcow2", .format = "qcow2", .sha256 = sha256("disk"), .size = 4}};
  }
  fs::path write(const std::string& text) {
    io::write_file(folder_.path() / "manifest.json", text, 0644);
    return folder_.path() / "manifest.json";
  }
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "manifest-test"};
  Manifest manifest_;
};

TEST_F(ManifestTest, IsReadBackAsItWasWritten) {
  const std::string text = to_json(manifest_);
  const std::optional<Manifest> found = find_manifest(write(text));
  ASSERT_TRUE(found);
  EXPECT_EQ(to_json(*found), text);
}

TEST_F(ManifestTest, OfNobodyOrDamagedCountsAsNone) {
  EXPECT_FALSE(find_manifest(folder_.path() / "none.json"));
  EXPECT_FALSE(find_manifest(write("{\"version\": 2}")));
  EXPECT_FALSE(find_manifest(write("{\"version\": 1}")));
  EXPECT_FALSE(find_manifest(write(to_json(manifest_).substr(0, 100))));
}

TEST_F(ManifestTest, BehindALinkCountsAsNone) {
  fs::create_symlink(write(to_json(manifest_)), folder_.path() / "link.json");
  EXPECT_FALSE(find_manifest(folder_.path() / "link.json"));
}

TEST_F(ManifestTest, ArtifactsAreIntactOnlyWithTheirBytes) {
  EXPECT_TRUE(artifacts_are_intact(manifest_, folder_.path()));
  io::write_file(folder_.path() / "web-master.qcow2", "dosk", 0644);
  EXPECT_FALSE(artifacts_are_intact(manifest_, folder_.path()));
  fs::remove(folder_.path() / "web-master.qcow2");
  EXPECT_FALSE(artifacts_are_intact(manifest_, folder_.path()));
}

TEST_F(ManifestTest, AnArtifactOutsideTheFolderIsNeverIntact) {
  io::write_file(folder_.path().parent_path() / "imgbuild-outside", "disk", 0644);
  manifest_.artifacts[0].file = "../imgbuild-outside";
  EXPECT_FALSE(artifacts_are_intact(manifest_, folder_.path()));
  fs::remove(folder_.path().parent_path() / "imgbuild-outside");
}

}  // namespace
}  // namespace imgbuild
