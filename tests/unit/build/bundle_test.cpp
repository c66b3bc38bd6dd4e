#include "build/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "complaint.h"
#include "util/digest.h"
#include "util/io.h"
#include "util/problems.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using Kind = ArchiveMember::Kind;

BundleMember file(const std::string& path, const std::string& content) {
  return {.member = {.path = path, .size = content.size()}, .sha256 = sha256(content)};
}

std::string package_path(const std::string& content) { return "packages/" + sha256(content) + ".deb"; }

/// A bundle made by hand: what its list says, and what it holds.
struct HandMade {
  BundleList list = {.deployment = "prod",
                     .members = {file("project/recipes/web.yml", "role: web\n"), file(package_path("nginx"), "nginx")}};
  std::vector<std::pair<std::string, std::string>> content = {{"project/recipes/web.yml", "role: web\n"}, {package_path("nginx"), "nginx"}};
};

class BundleImport : public testing::Test {
 protected:
  BundleImport() : folder_(testing::TempDir(), "bundle"), cache_{folder_.path() / "cache"} {
    for (const fs::path& path : {cache_.work(), cache_.bases(), cache_.packages()}) io::make_directories(path, 0700);
  }

  [[nodiscard]] fs::path at(const std::string& name) const { return folder_.path() / name; }

  void write(const HandMade& made) const { write(to_json(made.list), made); }
  void write(const std::string& list, const HandMade& made) const {
    MemberWriter writer(at("a.bundle"), 0644);
    writer.add_text("bundle.json", list);
    for (const auto& [path, text] : made.content) writer.add_text(path, text);
    (void)writer.commit();
  }

  ImportedBundle import(const std::optional<fs::path>& project = {}) { return import_bundle(at("a.bundle"), {}, project, cache_, status_); }

  /// What is said when the bundle is refused; nothing of it must be in the cache then.
  std::string complaint() {
    std::string text = complaint_of([&] { (void)import(at("project")); });
    EXPECT_FALSE(fs::exists(cache_.packages() / "packages" / (sha256("nginx") + ".deb")));
    EXPECT_FALSE(fs::exists(at("project")));
    EXPECT_TRUE(fs::is_empty(cache_.work()));
    const std::string prefix = at("a.bundle").native() + ": ";
    EXPECT_THAT(text, testing::StartsWith(prefix));
    return text.substr(std::min(prefix.size(), text.size()));
  }

  io::TemporaryDirectory folder_;
  Cache cache_;
  SilentStatus status_;
};

TEST_F(BundleImport, PutsPackagesIntoTheCacheAndTheProjectIntoAFolder) {
  write(HandMade{});
  EXPECT_EQ(import(at("project")).packages, 1U);
  EXPECT_EQ(io::read_file(cache_.packages() / "packages" / (sha256("nginx") + ".deb")), "nginx");
  EXPECT_EQ(io::read_file(at("project/recipes/web.yml")), "role: web\n");
}

TEST_F(BundleImport, LeavesAnExistingFolderAlone) {
  write(HandMade{});
  io::make_directories(at("project"), 0755);
  EXPECT_EQ(complaint_of([&] { (void)import(at("project")); }),
            at("project").native() + ": is there already\nhint: name a new folder for the project with -o");
}

TEST_F(BundleImport, RefusesAnotherBundleThanTheOneWanted) {
  write(HandMade{});
  const std::string wanted(64, 'a');
  EXPECT_EQ(complaint_of([&] { (void)import_bundle(at("a.bundle"), wanted, {}, cache_, status_); }),
            at("a.bundle").native() + ": has SHA-256 " + sha256_file(at("a.bundle")) + ", expected " + wanted);
}

TEST_F(BundleImport, RefusesAMemberWithAnotherContent) {
  HandMade made;
  made.content[1].second = "nginy";
  write(made);
  EXPECT_EQ(complaint(), "member " + shown(package_path("nginx")) + " has SHA-256 " + sha256("nginy") + ", expected " + sha256("nginx"));
}

TEST_F(BundleImport, RefusesAMemberOfAnotherLength) {
  HandMade made;
  made.content[1].second = "nginx and more";
  write(made);
  EXPECT_EQ(complaint(), "member " + shown(package_path("nginx")) + " is not as bundle.json says");
}

TEST_F(BundleImport, RefusesAForeignMember) {
  HandMade made;
  made.content.insert(made.content.begin(), {"foreign", "x"});
  write(made);
  EXPECT_EQ(complaint(), "holds 'foreign' where 'project/recipes/web.yml' should be");
}

TEST_F(BundleImport, RefusesAMemberTooMany) {
  HandMade made;
  made.content.emplace_back("../more", "x");
  write(made);
  EXPECT_EQ(complaint(), "holds '../more' where its end should be");
}

TEST_F(BundleImport, RefusesAMissingMember) {
  HandMade made;
  made.content.pop_back();
  write(made);
  EXPECT_EQ(complaint(), "holds nothing where " + shown(package_path("nginx")) + " should be");
}

TEST_F(BundleImport, RefusesABundleThatIsCutOff) {
  HandMade made;
  made.content[1].second = "nginx";
  write(made);
  fs::resize_file(at("a.bundle"), 20);
  EXPECT_EQ(complaint(), "is no bundle, or damaged at its beginning");
}

TEST_F(BundleImport, RefusesAListThatIsNotFirst) {
  MemberWriter writer(at("a.bundle"), 0644);
  writer.add_text("packages/x", "x");
  (void)writer.commit();
  EXPECT_EQ(complaint(), "holds 'packages/x' where 'bundle.json' should be");
}

struct BadList {
  const char* name;
  std::string text;
  const char* message;
};

std::string list_of(const std::string& members) { return R"({"version": 1, "deployment": "prod", "members": [)" + members + "]}"; }

std::string file_text(const std::string& path) {
  return fmt::format(R"({{"path": "{}", "kind": "file", "size": 1, "sha256": "{}"}})", path, std::string(64, 'a'));
}

class BundleLists : public BundleImport, public testing::WithParamInterface<BadList> {};

TEST_P(BundleLists, AreRefused) {
  write(GetParam().text, HandMade{});
  EXPECT_EQ(complaint(), std::string("bundle.json: ") + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, BundleLists,
    testing::Values(
        BadList{"NoJson", "no list", "is no list of members"},
        BadList{"OfAnotherVersion", R"({"version": 2})", "is of version 2, this imgbuild reads 1"},
        BadList{"WithoutMembers", R"({"version": 1, "deployment": "prod"})", "is no list of members"},
        BadList{"LeadingOut", list_of(file_text("project/../../etc/passwd")), "member 'project/../../etc/passwd' is none that a bundle has"},
        BadList{"AbsolutePath", list_of(file_text("/etc/passwd")), "member '/etc/passwd' is none that a bundle has"},
        BadList{"EmptyPart", list_of(file_text("project//x")), "member 'project//x' is none that a bundle has"},
        BadList{"AnotherFolder", list_of(file_text("vault/key")), "member 'vault/key' is none that a bundle has"},
        BadList{"FileOfNoBase", list_of(file_text("bases/b-1/extra")), "member 'bases/b-1/extra' is none that a bundle has"},
        BadList{"PackageOfAnotherDigest", list_of(file_text("packages/x.deb")), "member 'packages/x.deb' is none that a bundle has"},
        BadList{"LinkAmongPackages", list_of(R"({"path": "packages/x", "kind": "link", "target": "/etc"})"),
                "member 'packages/x' is none that a bundle has"},
        BadList{"UnknownKind", list_of(R"({"path": "project/x", "kind": "device"})"), "member 'project/x' is none that a bundle has"},
        BadList{"Twice", list_of(file_text("project/x") + "," + file_text("project/x")), "member 'project/x' is there twice"},
        BadList{"BelowALink", list_of(R"({"path": "project/x", "kind": "link", "target": "/etc"},)" + file_text("project/x/passwd")),
                "member 'project/x/passwd' is below 'project/x', which is no folder"}),
    [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace imgbuild
