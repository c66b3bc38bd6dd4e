#include <gtest/gtest.h>

#include "unit/recipe/bad_input.h"

namespace imgbuild::test {
namespace {

/// Each replaces a part of kRecipeText in project_fixture.h.
const BadInput kCases[] = {
    // clang-format off
    {"LeavesIsOfNoBytes", "title: {type: string}", "title: {type: string, leaves: 1 GiB}",
     "recipes/web-master.yml:6:33: setting 'title': leaves: says nothing but for the type 'bytes'"},
    {"LeavesIsNoSize", "default: 10 MiB", "default: 10 MiB, leaves: all",
     "recipes/web-master.yml:7:49: setting 'limit': leaves: must be a size such as 10 GiB (units: B, KiB, MiB, GiB, TiB), is 'all'"},
    {"RoleDiffersFromFile", "role: web-master", "role: web-slave",
     "recipes/web-master.yml:1:7: role: must be 'web-master' as the file's name, is 'web-slave'"},
    {"DescriptionIsMissing", "description: election web server\n", "",
     "recipes/web-master.yml:1:1: key 'description' is missing in the recipe"},
    {"BaseIsUnknown", "base: ubuntu-24.04", "base: ubuntu-26.04",
     "recipes/web-master.yml:3:7: base: unknown base 'ubuntu-26.04', did you mean 'ubuntu-22.04'?"},
    {"BaseIsNoFile", "base: ubuntu-24.04", "base: ../disk.qcow2",
     "recipes/web-master.yml:3:7: base: no disk image '../disk.qcow2'"},
    {"DiskIsTooSmall", "disk: 10 GiB", "disk: 10 MiB",
     "recipes/web-master.yml:4:7: disk: must be 1 GiB to 16 TiB, is 10 MiB"},
    {"DiskIsNotWholeMebibytes", "disk: 10 GiB", "disk: 2000000000 B",
     "recipes/web-master.yml:4:7: disk: must be whole MiB"},
    {"DiskIsMissing", "disk: 10 GiB\n", "",
     "recipes/web-master.yml:1:1: key 'disk' is missing in the recipe"},
    {"SeedIsMissing", "seed: web", "seed: wep",
     "recipes/web-master.yml:14:7: seed: no file 'cidata/wep.yml'"},
    {"SeedLeadsOut", "seed: web", "seed: ../web",
     "recipes/web-master.yml:14:7: seed: must be a name of lower-case letters, digits and '-', is '../web'"},
    {"FormatIsUnknown", "formats: [qcow2]", "formats: [qcow]",
     "recipes/web-master.yml:15:11: formats 1: unknown format 'qcow', did you mean 'qcow2'?"},
    {"FormatIsRepeated", "formats: [qcow2]", "formats: [qcow2, qcow2]",
     "recipes/web-master.yml:15:18: formats 2: 'qcow2' is there twice"},
    {"FormatIsOneOfThoseOfAWord", "formats: [qcow2]", "formats: [box-libvirt, vagrant]",
     "recipes/web-master.yml:15:24: formats 2: 'box-libvirt' is there twice"},
    {"FormatsAreEmpty", "formats: [qcow2]", "formats: []",
     "recipes/web-master.yml:15:10: formats: must hold at least one format"},
    {"FormatsAreText", "formats: [qcow2]", "formats: qcow2",
     "recipes/web-master.yml:15:10: formats: must be a list, is text"},
    {"TimeoutHasNoUnit", "timeout: 200 s", "timeout: 200",
     "recipes/web-master.yml:16:18: ready: timeout: must be a duration such as 300 s (units: ms, s, min, h), is a number"},
    {"TimeoutIsNone", "timeout: 200 s", "timeout: 0 s",
     "recipes/web-master.yml:16:18: ready: timeout: must be 1 s to 24 h"},
    {"ReadyKeyIsUnknown", "ready: {timeout: 200 s}", "ready: {timout: 200 s}",
     "recipes/web-master.yml:16:8: key 'timeout' is missing in ready\n"
     "recipes/web-master.yml:16:9: unknown key 'timout' in ready, did you mean 'timeout'?"},
    {"KeyIsMisspelt", "steps:", "stebs:",
     "recipes/web-master.yml:1:1: key 'steps' is missing in the recipe\n"
     "recipes/web-master.yml:9:1: unknown key 'stebs' in the recipe, did you mean 'steps'?"},
    {"SettingNameHasHyphen", "  title:", "  the-title:",
     "recipes/web-master.yml:6:3: setting 'the-title': must be a name of lower-case letters, digits and '_'"},
    {"SettingTypeIsUnknown", "{type: string}", "{type: text}",
     "recipes/web-master.yml:6:17: setting 'title': type: unknown type 'text', known are 'string', 'integer', 'boolean', 'fqdn', 'ip', 'cidr', 'port', 'bytes', 'duration', 'secret'"},
    {"SettingHasNoType", "{type: string}", "{description: x}",
     "recipes/web-master.yml:6:10: key 'type' is missing in setting 'title'"},
    {"SettingKeyIsUnknown", "{type: string}", "{type: string, defualt: x}",
     "recipes/web-master.yml:6:25: unknown key 'defualt' in setting 'title', did you mean 'default'?"},
    {"SettingIsList", "{type: string}", "[string]",
     "recipes/web-master.yml:6:10: setting 'title': must be a map with 'type', 'default', 'leaves', 'description', is a list"},
    {"SettingDefaultIsOfOtherType", "default: 10 MiB", "default: 10 MB",
     "recipes/web-master.yml:7:33: setting 'limit': default: must be a size such as 10 GiB (units: B, KiB, MiB, GiB, TiB), is '10 MB'"},
    {"SecretHasDefault", "{type: secret}", "{type: secret, default: hunter2hunter2}",
     "recipes/web-master.yml:8:37: setting 'password': default: a secret has no default, it would be in every image"},
    {"IncludeIsMissing", "disk: 10 GiB", "disk: 10 GiB\ninclude: [parts/bas.yml]",
     "recipes/web-master.yml:5:11: include 1: no file 'parts/bas.yml'"},
    {"IncludeLeadsOut", "disk: 10 GiB", "disk: 10 GiB\ninclude: [../prod.yml]",
     "recipes/web-master.yml:5:11: include 1: must be a path below the recipe's folder, is '../prod.yml'"},
    {"IncludeIsItself", "disk: 10 GiB", "disk: 10 GiB\ninclude: [web-master.yml]",
     "recipes/web-master.yml:5:11: include 1: 'web-master.yml' includes itself"},
    {"IncludeIsRepeated", "disk: 10 GiB", "disk: 10 GiB\ninclude: [parts/base.yml, parts/base.yml]",
     "recipes/web-master.yml:5:27: include 2: 'parts/base.yml' is included already"},
    {"IncludeIsRecipe", "disk: 10 GiB", "disk: 10 GiB\ninclude: [web-slave.yml]",
     "recipes/web-slave.yml:1:1: unknown key 'role' in the included file, known are 'include', 'settings', 'steps'\n"
     "recipes/web-slave.yml:2:1: unknown key 'description' in the included file, known are 'include', 'settings', 'steps'\n"
     "recipes/web-slave.yml:3:1: unknown key 'base' in the included file, known are 'include', 'settings', 'steps'\n"
     "recipes/web-slave.yml:4:1: unknown key 'disk' in the included file, known are 'include', 'settings', 'steps'\n"
     "recipes/web-slave.yml:6:1: unknown key 'seed' in the included file, known are 'include', 'settings', 'steps'"},
    {"IncludeIsText", "disk: 10 GiB", "disk: 10 GiB\ninclude: parts/base.yml",
     "recipes/web-master.yml:5:10: include: must be a list, is text"},
    {"TagIsThere", "role: web-master", "role: !!str web-master",
     "recipes/web-master.yml:1:7: tags are not allowed"},
    {"SecondDocument", "seed: web", "---\nseed: web",
     "recipes/web-master.yml:14:1: a second document begins here, a file holds one"},
    // clang-format on
};

class BadRecipe : public ProjectFixture, public testing::WithParamInterface<BadInput> {};

TEST_P(BadRecipe, IsRefusedWithPositionAndReason) {
  write("recipes/web-master.yml", with_defect(kRecipeText, GetParam()));
  EXPECT_EQ(recipe_complaint(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(, BadRecipe, testing::ValuesIn(kCases), name_of);

}  // namespace
}  // namespace imgbuild::test
