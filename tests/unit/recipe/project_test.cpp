#include "recipe/project.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "unit/recipe/project_fixture.h"

namespace imgbuild::test {
namespace {

class ProjectLookup : public ProjectFixture {
 public:
  ProjectLookup() : start_(std::filesystem::current_path()) { unsetenv("IMGBUILD_ROOT"); }
  ~ProjectLookup() override {
    unsetenv("IMGBUILD_ROOT");
    std::filesystem::current_path(start_);
  }

 private:
  std::filesystem::path start_;
};

TEST_F(ProjectLookup, GoesUpwardsFromTheCurrentFolder) {
  std::filesystem::current_path(root() / "recipes/scripts");
  EXPECT_EQ(find_project().root, root());
}

TEST_F(ProjectLookup, PrefersTheFolderOfTheLauncher) {
  std::filesystem::current_path("/");
  setenv("IMGBUILD_ROOT", root().c_str(), 1);
  EXPECT_EQ(find_project().root, root());
}

TEST_F(ProjectLookup, RefusesALaunchersFolderThatIsNone) {
  setenv("IMGBUILD_ROOT", "/usr", 1);
  EXPECT_EQ(complaint_of([](Problems&) { (void)find_project(); }),
            "IMGBUILD_ROOT: no folder with recipes/, overlays/ and cidata/, is '/usr'");
}

TEST_F(ProjectLookup, SaysThatThereIsNone) {
  std::filesystem::current_path("/usr");
  EXPECT_EQ(complaint_of([](Problems&) { (void)find_project(); }),
            "no folder with recipes/, overlays/ and cidata/ is '/usr' or above it");
}

TEST_F(ProjectLookup, ListsTheRolesSortedWithoutFilesForInclude) {
  write("recipes/common.yml", "steps: []\n");
  write("recipes/notes.txt", "role: x\n");
  EXPECT_THAT(list_roles(project()), testing::ElementsAre("authority", "web-master", "web-slave"));
}

TEST_F(ProjectLookup, ListsRolesHoweverTheyAreWritten) {
  write("recipes/flow.yml", R"({"role": "flow", "steps": []})");
  write("recipes/quoted.yml", "'role' : quoted\n");
  write("recipes/broken.yml", "role: broken\nsteps: [\n");
  write("recipes/nothing.yml", "steps: [\n");
  EXPECT_THAT(list_roles(project()), testing::ElementsAre("authority", "broken", "flow", "quoted", "web-master", "web-slave"));
}

TEST_F(ProjectLookup, ShowsFilesBelowItRelative) {
  EXPECT_EQ(display_path(project(), root() / "recipes/x.yml"), "recipes/x.yml");
  EXPECT_EQ(display_path(project(), "/etc/prod.yml"), "/etc/prod.yml");
}

}  // namespace
}  // namespace imgbuild::test
