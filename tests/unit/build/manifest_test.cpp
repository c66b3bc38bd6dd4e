#include "build/manifest.h"

#include <gtest/gtest.h>

#include "complaint.h"
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
    manifest_.base = {{"name", "bootstrap"}, {"digest", std::string(64, 'f')}};
    manifest_.steps = {{"overlay: web", std::string(64, 'b')}};
    manifest_.packages = {{.name = "base-files", .version = "12.4", .architecture = "amd64"},
                          {.name = "nginx", .version = "1.22.1-9", .architecture = "amd64", .sha256 = std::string(64, 'c')}};
    manifest_.payloads = {{.name = "ballot-box", .sha256 = std::string(64, 'd')}};
    manifest_.epoch = 1'700'000'000;
    manifest_.boot = {{"code", std::string(64, 'e')}};
    manifest_.layout = {.disk_guid = "01234567-89AB-CDEF-0123-456789ABCDEF", .partitions = {}};
    manifest_.artifacts = {{.file = "web-master.qcow2", .format = "qcow2", .sha256 = sha256("disk"), .size = 4}};
    io::write_file(folder_.path() / "web-master.mtree.zst", "list", 0644);
    manifest_.documents = {{.file = "web-master.mtree.zst", .format = "mtree.zst", .sha256 = sha256("list"), .size = 4}};
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
  EXPECT_FALSE(find_manifest(write("{\"version\": 3}")));
  EXPECT_FALSE(find_manifest(write("{\"version\": 2}")));
  EXPECT_FALSE(find_manifest(write(to_json(manifest_).substr(0, 100))));
}

TEST_F(ManifestTest, GivenByAPersonIsRefusedWithItsPlace) {
  const auto complaint = [](const std::string& text) { return complaint_of([&] { (void)parse_manifest(text, "m.json"); }); };
  const std::string text = to_json(manifest_);
  EXPECT_EQ(complaint(text.substr(0, text.find("\"role\""))), "m.json:4:3: is no JSON text from here on");
  EXPECT_EQ(complaint("{\"version\": 1}"),
            "m.json: is a manifest of version 1, this imgbuild reads version 2\nhint: build the image again, or use the imgbuild that built it");
  EXPECT_EQ(complaint("{}"), "m.json: is no manifest of imgbuild: key 'version' not found");
  EXPECT_EQ(complaint("[]"), "m.json: is no manifest of imgbuild: cannot use at() with array");
  EXPECT_EQ(complaint("{\"version\": 2, \"imgbuild\": 1}"), "m.json: is no manifest of imgbuild: type must be string, but is number");
  manifest_.base.erase("digest");
  EXPECT_EQ(complaint(to_json(manifest_)), "m.json: is no manifest of imgbuild: its base has no 'digest'");
  manifest_.base["digest"] = "";
  manifest_.documents[0].file = "../list";
  EXPECT_EQ(complaint(to_json(manifest_)), "m.json: '../list' is no name of a file beside it");
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

TEST_F(ManifestTest, DocumentsCountAsArtifactsDo) {
  io::write_file(folder_.path() / "web-master.mtree.zst", "lust", 0644);
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
