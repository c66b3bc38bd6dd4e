#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "recipe/project.h"
#include "recipe/read.h"
#include "recipe/recipe.h"
#include "recipe/schema.h"
#include "recipe/setting.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {

const std::string& readme() {
  static const std::string text = io::read_file(IMGBUILD_SOURCE_DIR "/recipes/README.md");
  return text;
}

/// Where recipes/README.md explains the keys of each table: its table follows the first place this stands at.
const std::map<std::string_view, std::string> kPlaces = {
    {"recipe", "| key of a recipe |"},         {"included file", "| key of an included file |"},
    {"ready", "| key of `ready` |"},           {"setting", "| key of a setting |"},
    {"step packages", "#### Step `packages`"}, {"step overlay", "#### Step `overlay`"},
    {"step payload", "#### Step `payload`"},   {"step run", "#### Step `run`"},
    {"step services", "#### Step `services`"}, {"environment", "| key of an environment |"},
    {"network", "| key of `network` |"},       {"machine", "| key of a machine |"},
};

/// The words in the first column of the table after 'place'.
std::set<std::string> explained_after(const std::string& place) {
  std::set<std::string> words;
  const std::size_t start = readme().find(place);
  if (start == std::string::npos) return words;
  std::istringstream lines(readme().substr(start));
  bool in_table = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| "))
      in_table = true;
    else if (in_table && !line.starts_with("|"))
      break;
    if (line.starts_with("| `")) words.insert(line.substr(3, line.find('`', 3) - 3));
  }
  return words;
}

TEST(RecipesReadme, ExplainsExactlyTheKeysThatReadersKnow) {
  for (const schema::Table& table : schema::tables()) {
    ASSERT_EQ(kPlaces.count(table.name), 1U) << table.name;
    std::set<std::string> known;
    for (const std::string& key : yaml::key_names(table.keys)) known.insert(key);
    EXPECT_EQ(explained_after(kPlaces.at(table.name)), known) << table.name;
  }
}

TEST(RecipesReadme, ExplainsExactlyTheSettingTypes) {
  std::set<std::string> known;
  for (const SettingTypeRow& row : setting_types()) known.emplace(row.name);
  EXPECT_EQ(explained_after("| type | example |"), known);
}

TEST(RecipesReadme, HasASectionForEveryStep) {
  for (const std::string& kind : step_kinds())
    EXPECT_NE(readme().find("#### Step `" + kind + "`"), std::string::npos) << kind;
}

TEST(RecipesReadme, NamesEveryFormatAndBase) {
  for (const std::string& format : known_formats())
    EXPECT_NE(readme().find("`" + format + "`"), std::string::npos) << format;
  for (const std::string& base : known_bases())
    EXPECT_NE(readme().find("`" + base + "`"), std::string::npos) << base;
}

TEST(SettingTypes, AreInTheOrderOfTheEnum) {
  int number = 0;
  for (const SettingTypeRow& row : setting_types())
    EXPECT_EQ(static_cast<int>(row.type), number++) << row.name;
}

const Project kOwnProject{.root = IMGBUILD_SOURCE_DIR};

TEST(OwnRecipes, AreRead) {
  const std::vector<std::string> roles = list_roles(kOwnProject);
  EXPECT_NE(std::find(roles.begin(), roles.end(), "web-master"), roles.end());
  for (const std::string& role : roles) {
    Problems problems;
    (void)read_recipe(kOwnProject, role, problems);
    EXPECT_NO_THROW(problems.throw_if_any()) << role;
  }
}

TEST(OwnExample, IsRead) {
  Problems problems;
  const Environment environment =
      read_environment(kOwnProject, IMGBUILD_SOURCE_DIR "/recipes/examples/demo.yml", problems);
  EXPECT_NO_THROW(problems.throw_if_any());
  EXPECT_EQ(environment.base, "bootstrap");
  EXPECT_EQ(environment.machines.front().name, "demo-s1");
}

/// True if every problem names a place in the file.
bool is_positioned(const std::vector<Problem>& problems) {
  return std::all_of(problems.begin(), problems.end(), [](const Problem& problem) {
    return !problem.file.empty() && !problem.message.empty() && problem.at.line >= 1 &&
           problem.at.column >= 1;
  });
}

TEST(OwnExample, CutOffAnywhereIsReadOrRefusedWithPositions) {
  const std::string text = io::read_file(IMGBUILD_SOURCE_DIR "/recipes/examples/demo.yml");
  const io::TemporaryDirectory folder(std::filesystem::temp_directory_path(), "recipe-test");
  const std::filesystem::path file = folder.path() / "demo.yml";
  for (std::size_t length = 0; length <= text.size(); ++length) {
    std::ofstream(file) << text.substr(0, length);
    Problems problems;
    const Environment environment = read_environment(kOwnProject, file, problems);
    EXPECT_TRUE(is_positioned(problems.sorted())) << length;
    EXPECT_TRUE(!problems.empty() || environment.machines.size() == 1) << length;
  }
}

}  // namespace
}  // namespace imgbuild
