#include "recipe/recipe.h"

#include <gmock/gmock.h>

#include "unit/recipe/project_fixture.h"

namespace imgbuild::test {
namespace {

using testing::ElementsAre;

class RecipeReader : public ProjectFixture {
 public:
  Recipe read(const std::string& text) {
    write("recipes/web-master.yml", text);
    Problems problems;
    Recipe recipe = read_recipe(project(), "web-master", problems);
    problems.throw_if_any();
    return recipe;
  }

  /// The fixture's recipe with its first step replaced.
  Step read_step(const std::string& step) {
    return read(replaced(kRecipeText, "overlay: common", step)).steps.front();
  }
};

TEST_F(RecipeReader, ReadsTheHeader) {
  const Recipe recipe = read(kRecipeText);
  EXPECT_EQ(recipe.file, root() / "recipes/web-master.yml");
  EXPECT_EQ(recipe.role, "web-master");
  EXPECT_EQ(recipe.description, "election web server");
  EXPECT_EQ(recipe.base, "ubuntu-24.04");
  EXPECT_EQ(recipe.disk, 10_GiB);
  EXPECT_EQ(recipe.seed, "web");
  EXPECT_THAT(recipe.formats, ElementsAre("qcow2"));
  EXPECT_EQ(recipe.ready_timeout, std::chrono::seconds(200));
}

TEST_F(RecipeReader, DefaultsFormatsAndTimeout) {
  const std::string text = replaced(kRecipeText, "formats: [qcow2]\nready: {timeout: 200 s}\n", "");
  EXPECT_THAT(read(text).formats, ElementsAre("qcow2"));
  EXPECT_EQ(read(text).ready_timeout, std::chrono::seconds(300));
}

TEST_F(RecipeReader, GivesSettingsSortedWithCanonicalDefaults) {
  const Recipe recipe = read(kRecipeText);
  ASSERT_EQ(recipe.settings.size(), 3U);
  EXPECT_EQ(recipe.settings[0].name, "limit");
  EXPECT_EQ(recipe.settings[0].type, SettingType::bytes);
  EXPECT_EQ(recipe.settings[0].default_value, "10485760");
  EXPECT_EQ(recipe.settings[1].name, "password");
  EXPECT_EQ(recipe.settings[1].type, SettingType::secret);
  EXPECT_EQ(recipe.settings[2].default_value, std::nullopt);
}

TEST_F(RecipeReader, TakesABareWordForASettingsType) {
  EXPECT_EQ(read(replaced(kRecipeText, "{type: string}", "fqdn")).settings[2].type, SettingType::fqdn);
}

TEST_F(RecipeReader, ReadsPackagesStep) {
  const PackagesStep expected{
      .install = {"nginx", "rsync"}, .remove = {"snapd"}, .upgrade = PackagesStep::Upgrade::yes};
  EXPECT_EQ(read(kRecipeText).steps[1], Step(expected));
}

TEST_F(RecipeReader, ReadsOverlayStepFromAWordAndFromARecord) {
  const OverlayStep expected{.name = "web", .folder = root() / "overlays/web"};
  EXPECT_EQ(read_step("overlay: web"), Step(expected));
  EXPECT_EQ(read_step("overlay: {name: web}"), Step(expected));
}

TEST_F(RecipeReader, ReadsRunStepFromAWordAndFromARecord) {
  const RunStep expected{.script = root() / "recipes/scripts/x.sh"};
  EXPECT_EQ(read_step("run: scripts/x.sh"), Step(expected));
  EXPECT_EQ(read_step("run: {script: scripts/x.sh}"), Step(expected));
}

TEST_F(RecipeReader, ReadsPayloadStepWithRelativeAndAbsolutePath) {
  const std::string digest(64, 'a');
  const PayloadStep expected{.name = "app",
                             .file = root() / "recipes/app.tar",
                             .sha256 = digest,
                             .install = root() / "recipes/scripts/x.sh"};
  const std::string rest = ", sha256: " + digest + ", install: scripts/x.sh}";
  EXPECT_EQ(read_step("payload: {name: app, file: app.tar" + rest), Step(expected));
  EXPECT_EQ(read_step("payload: {name: app, file: " + (root() / "recipes/app.tar").string() + rest),
            Step(expected));
}

TEST_F(RecipeReader, CompletesBareUnitNamesOfServicesStep) {
  const ServicesStep expected{
      .enable = {"nginx.service"}, .disable = {"ssh.socket"}, .mask = {"apt-daily.timer"}};
  EXPECT_EQ(read(kRecipeText).steps[3], Step(expected));
}

TEST_F(RecipeReader, PutsIncludedStepsAndSettingsFirst) {
  write("recipes/parts/inner.yml", "steps: [{run: inner.sh}]\n");
  write("recipes/parts/inner.sh", "#!/bin/sh\n");
  write("recipes/parts/base.yml", "include: [inner.yml]\nsettings: {port: port}\nsteps: [{overlay: web}]\n");
  const Recipe recipe = read(std::string(kRecipeText) + "include: [parts/base.yml]\n");
  ASSERT_EQ(recipe.steps.size(), 6U);
  EXPECT_EQ(recipe.steps[0], Step(RunStep{.script = root() / "recipes/parts/inner.sh"}));
  EXPECT_EQ(describe(recipe.steps[1]), "overlay: web");
  EXPECT_EQ(describe(recipe.steps[2]), "overlay: common");
  EXPECT_EQ(recipe.settings[2].name, "port");
}

TEST_F(RecipeReader, RefusesACycleOfIncludes) {
  write("recipes/parts/base.yml", "include: [more/a.yml]\n");
  std::filesystem::create_directories(root() / "recipes/parts/more");
  std::filesystem::create_symlink(root() / "recipes/parts/base.yml", root() / "recipes/parts/more/a.yml");
  write("recipes/web-master.yml", std::string(kRecipeText) + "include: [parts/base.yml]\n");
  EXPECT_EQ(recipe_complaint(), "recipes/parts/base.yml:1:11: include 1: 'more/a.yml' includes itself");
}

TEST_F(RecipeReader, RefusesASettingThatAnIncludedFileDeclares) {
  write("recipes/parts/base.yml", "settings: {title: string}\n");
  write("recipes/web-master.yml", std::string(kRecipeText) + "include: [parts/base.yml]\n");
  EXPECT_EQ(recipe_complaint(),
            "recipes/web-master.yml:6:3: setting 'title': is declared by an included file already");
}

TEST_F(RecipeReader, GivesADiskImageAsBaseWithItsAbsolutePath) {
  write("base.qcow2", "disk");
  EXPECT_EQ(read(replaced(kRecipeText, "ubuntu-24.04", "../base.qcow2")).base,
            (root() / "base.qcow2").string());
}

TEST_F(RecipeReader, RefusesAFileThatIsNoMap) {
  write("recipes/web-master.yml", "- a\n");
  EXPECT_EQ(
      recipe_complaint(),
      "recipes/web-master.yml:1:1: the recipe: must be a map with 'role', 'description', 'include', 'base', "
      "'disk', 'settings', 'steps', 'seed', 'formats', 'ready', is a list");
}

TEST_F(RecipeReader, NamesTheRolesWhenOneIsUnknown) {
  const auto read_unknown = [this](Problems& problems) {
    (void)read_recipe(project(), "web-mster", problems);
  };
  EXPECT_EQ(complaint_of(read_unknown), "unknown role 'web-mster', did you mean 'web-master'?");
  Problems problems;
  try {
    read_unknown(problems);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_EQ(error.hint(), "known roles: 'authority', 'web-master', 'web-slave'");
  }
}

TEST_F(RecipeReader, TakesNoPathForARole) {
  EXPECT_EQ(complaint_of([this](Problems& problems) {
              (void)read_recipe(project(), "../recipes/authority", problems);
            }),
            "unknown role '../recipes/authority', known are 'authority', 'web-master', 'web-slave'");
}

TEST(Step, IsDescribedInOneLine) {
  EXPECT_EQ(describe(PackagesStep{.install = {"nginx", "rsync"}, .upgrade = PackagesStep::Upgrade::yes}),
            "packages: install nginx, rsync (upgrade)");
  EXPECT_EQ(describe(PackagesStep{.upgrade = PackagesStep::Upgrade::yes}), "packages: upgrade");
  EXPECT_EQ(describe(PackagesStep{.remove = {"snapd"}}), "packages: remove snapd");
  EXPECT_EQ(describe(OverlayStep{.name = "web"}), "overlay: web");
  EXPECT_EQ(describe(RunStep{.script = "/a/recipes/scripts/x.sh"}), "run: scripts/x.sh");
  EXPECT_EQ(describe(PayloadStep{.name = "app", .file = "/a/app.tar", .install = "/a/scripts/app.sh"}),
            "payload: app (app.tar) by scripts/app.sh");
  EXPECT_EQ(describe(ServicesStep{.enable = {"a.service"}, .mask = {"b.timer", "c.timer"}}),
            "services: enable a.service; mask b.timer, c.timer");
}

}  // namespace
}  // namespace imgbuild::test
