#include "build/lock_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "build/make_lock.h"
#include "complaint.h"
#include "unit/recipe/bad_input.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

LockedPackage package(const std::string& name, const std::string& version, const std::string& architecture = "amd64") {
  return {.name = name, .version = version, .architecture = architecture, .file = name + "_" + version + "_" + architecture + ".deb",
          .uri = "http://mirror.example.org/pool/" + name + ".deb", .sha256 = sha256(name + version), .size = 1234};
}

LockFile sample() {
  return {.bases = {{.name = "bootstrap", .digest = sha256("base")}},
          .steps = {{.step = "packages: install nginx", .key = sha256("key"), .packages = {package("libc6", "2.36-9"), package("nginx", "1.22.1-9+deb12u2")}}}};
}

class LockFileText : public testing::Test {
 protected:
  fs::path write(const std::string& text) {
    io::write_file(folder_.path() / "prod.lock", text, 0644);
    return folder_.path() / "prod.lock";
  }
  io::TemporaryDirectory folder_{testing::TempDir(), "lock"};
};

TEST_F(LockFileText, IsReadAsItWasWritten) {
  EXPECT_EQ(read_lock_file(write(to_text(sample()))), sample());
  EXPECT_EQ(read_lock_file(write(to_text(LockFile{}))), LockFile{});
}

TEST_F(LockFileText, HasALineForEachPackage) {
  EXPECT_EQ(to_text(sample()),
            "{\n  \"version\": 1,\n  \"bases\": [\n    {\"name\": \"bootstrap\", \"digest\": \"" + sha256("base") +
                "\"}],\n  \"steps\": [\n    {\"step\": \"packages: install nginx\", \"key\": \"" + sha256("key") +
                "\", \"packages\": [\n      {\"name\": \"libc6\", \"version\": \"2.36-9\", \"architecture\": \"amd64\", \"sha256\": \"" +
                sha256("libc62.36-9") + "\", \"size\": 1234, \"file\": \"libc6_2.36-9_amd64.deb\", \"uri\": \"http://mirror.example.org/pool/libc6.deb\"},\n"
                "      {\"name\": \"nginx\", \"version\": \"1.22.1-9+deb12u2\", \"architecture\": \"amd64\", \"sha256\": \"" +
                sha256("nginx1.22.1-9+deb12u2") +
                "\", \"size\": 1234, \"file\": \"nginx_1.22.1-9+deb12u2_amd64.deb\", \"uri\": \"http://mirror.example.org/pool/nginx.deb\"}]}]\n}\n");
}

TEST_F(LockFileText, ThatIsNotThereIsNothing) { EXPECT_EQ(read_lock_file(folder_.path() / "prod.lock"), std::nullopt); }

TEST(LockPath, IsBesideTheEnvironmentFile) { EXPECT_EQ(lock_path("/x/prod.yml"), fs::path("/x/prod.lock")); }

using test::BadInput;

const BadInput kCases[] = {
    // clang-format off
    {"VersionIsOfLater", "\"version\": 1", "\"version\": 2", "prod.lock:2:14: version: must be 1, is '2'"},
    {"IsCutOff", "]}]\n}\n", "", "prod.lock:8:1: a list opened with '[' does not go on like this, is a ',' or ']' missing?\nprod.lock:8:7: a key must be text"},
    {"KeyIsUnknown", "\"bases\"", "\"base\"",
     "prod.lock:1:1: key 'bases' is missing in the lock\nprod.lock:3:3: unknown key 'base' in the lock, did you mean 'bases'?"},
    {"BaseHasNoDigest", "\"digest\"", "\"digets\"",
     "prod.lock:4:5: key 'digest' is missing in base 1\nprod.lock:4:27: unknown key 'digets' in base 1, did you mean 'digest'?"},
    {"NameLeadsOut", "\"name\": \"libc6\"", "\"name\": \"../libc6\"",
     "prod.lock:7:16: step 1: package 1: name: must be the name of a package, is '../libc6'"},
    {"VersionHasABlank", "\"version\": \"2.36-9\"", "\"version\": \"2.36 9\"",
     "prod.lock:7:36: step 1: package 1: version: must be the version of a package, such as 1:2.3-4, is '2.36 9'"},
    {"ArchitectureHasASlash", "\"architecture\": \"amd64\"", "\"architecture\": \"amd/64\"",
     "prod.lock:7:62: step 1: package 1: architecture: must be an architecture such as amd64 or all, is 'amd/64'"},
    {"SizeIsZero", "\"size\": 1234", "\"size\": 0", "prod.lock:7:157: step 1: package 1: size: must be 1 to 9223372036854775807, is '0'"},
    {"FileLeadsOut", "\"file\": \"libc6_2.36-9_amd64.deb\"", "\"file\": \"../x.deb\"",
     "prod.lock:7:171: step 1: package 1: file: must be the name of a package file, such as nginx_1.22.1-9_amd64.deb, is '../x.deb'"},
    {"UriIsAFile", "http://mirror.example.org/pool/libc6.deb", "file:///etc/passwd",
     "prod.lock:7:204: step 1: package 1: uri: must be an address that begins with http:// or https://, is 'file:///etc/passwd'"},
    {"PackagesAreNotSorted", "\"name\": \"libc6\"", "\"name\": \"zlib1g\"",
     "prod.lock:8:16: step 1: package 2: name: 'nginx' must come after 'zlib1g': each name and architecture is there once, sorted"},
    {"PackageIsThereTwice", "\"name\": \"nginx\"", "\"name\": \"libc6\"",
     "prod.lock:8:16: step 1: package 2: name: 'libc6' must come after 'libc6': each name and architecture is there once, sorted"},
    // clang-format on
};

class LockFileDefects : public testing::TestWithParam<BadInput> {};

TEST_P(LockFileDefects, AreAllSaidWithTheirPlaces) {
  const io::TemporaryDirectory folder(testing::TempDir(), "lock");
  const fs::path file = folder.path() / "prod.lock";
  io::write_file(file, test::with_defect(to_text(sample()), GetParam()), 0644);
  std::string text = complaint_of([&] { (void)read_lock_file(file); });
  for (std::size_t at = text.find(folder.path().native() + "/"); at != std::string::npos; at = text.find(folder.path().native() + "/")) {
    text.erase(at, folder.path().native().size() + 1);
  }
  EXPECT_EQ(text, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, LockFileDefects, testing::ValuesIn(kCases), test::name_of);

TEST(LockChanges, NameWhatIsNewAnotherAndGone) {
  LockFile before = sample();
  LockFile now = sample();
  now.bases[0].digest = sha256("another base");
  now.steps[0].packages = {package("libc6", "2.36-10"), package("memcached", "1.6")};
  EXPECT_THAT(changes(before, now),
              testing::ElementsAre(LockChange{"base bootstrap", sha256("base").substr(0, 16), sha256("another base").substr(0, 16)},
                                   LockChange{"libc6:amd64", "2.36-9", "2.36-10"}, LockChange{"memcached:amd64", "", "1.6"},
                                   LockChange{"nginx:amd64", "1.22.1-9+deb12u2", ""}));
  EXPECT_THAT(changes(now, now), testing::IsEmpty());
}

TEST(MergedLock, KeepsWhatOtherRolesHave) {
  const LockFile before = sample();
  const LockFile lock = {.bases = {{.name = "bootstrap", .digest = sha256("new")}}, .steps = {{.step = "x", .key = sha256("other"), .packages = {}}}};
  const LockFile both = merged(before, lock);
  EXPECT_EQ(both.bases, lock.bases);
  ASSERT_EQ(both.steps.size(), 2U);
  EXPECT_EQ(both.steps[0], lock.steps[0]);
  EXPECT_EQ(both.steps[1], before.steps[0]);
}

}  // namespace
}  // namespace imgbuild
