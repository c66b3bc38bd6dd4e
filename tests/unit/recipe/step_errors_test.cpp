#include <gtest/gtest.h>

#include "unit/recipe/bad_input.h"

namespace imgbuild::test {
namespace {

/// Each replaces a part of kRecipeText in project_fixture.h.
const BadInput kCases[] = {
    // clang-format off
    {"StepKindIsMisspelt", "- packages:", "- pakages:",
     "recipes/web-master.yml:11:5: unknown key 'pakages' in step 2, did you mean 'packages'?"},
    {"StepKindIsUnknown", "- packages:", "- docker:",
     "recipes/web-master.yml:11:5: unknown key 'docker' in step 2, known are 'packages', 'overlay', 'payload', 'run', 'services'"},
    {"StepIsWord", "- overlay: common", "- overlay",
     "recipes/web-master.yml:10:5: step 1: must be a map with one key of 'packages', 'overlay', 'payload', 'run', 'services'"},
    {"StepHasTwoKeys", "- overlay: common", "- overlay: common\n    run: scripts/x.sh",
     "recipes/web-master.yml:10:5: step 1: must be a map with one key of 'packages', 'overlay', 'payload', 'run', 'services', has 2 keys"},
    {"StepsAreMap", "steps:", "steps: {}\nstep:",
     "recipes/web-master.yml:9:8: steps: must be a list, is a map\n"
     "recipes/web-master.yml:10:1: unknown key 'step' in the recipe, did you mean 'steps'?"},
    {"PackagesKeyIsMisspelt", "install: [nginx", "instal: [nginx",
     "recipes/web-master.yml:11:16: unknown key 'instal' in step 2: packages, did you mean 'install'?"},
    {"PackagesStepIsEmpty", "{install: [nginx, rsync], remove: [snapd], upgrade: true}", "{}",
     "recipes/web-master.yml:11:5: step 2: packages: does nothing"},
    {"PackageNameIsNone", "[nginx, rsync]", "[nginx, Rsync]",
     "recipes/web-master.yml:11:33: step 2: packages: install 2: must be the name of a package, is 'Rsync'"},
    {"PackageNameIsOption", "[nginx, rsync]", "[\"--allow-unauthenticated\"]",
     "recipes/web-master.yml:11:26: step 2: packages: install 1: must be the name of a package, is '--allow-unauthenticated'"},
    {"PackageNameIsNumber", "[nginx, rsync]", "[nginx, 7]",
     "recipes/web-master.yml:11:33: step 2: packages: install 2: must be the name of a package, is a number"},
    {"PackageIsRepeated", "[nginx, rsync]", "[nginx, nginx]",
     "recipes/web-master.yml:11:33: step 2: packages: install 2: 'nginx' is there twice"},
    {"PackageIsInstalledAndRemoved", "remove: [snapd]", "remove: [nginx]",
     "recipes/web-master.yml:11:49: step 2: packages: remove: 'nginx' is also in 'install'"},
    {"PackagesAreText", "[nginx, rsync]", "nginx",
     "recipes/web-master.yml:11:25: step 2: packages: install: must be a list, is text"},
    {"UpgradeIsText", "upgrade: true", "upgrade: always",
     "recipes/web-master.yml:11:67: step 2: packages: upgrade: must be true or false, is text"},
    {"OverlayIsMissing", "overlay: common", "overlay: comon",
     "recipes/web-master.yml:10:14: step 1: overlay: name: no overlay 'comon', did you mean 'common'?"},
    {"OverlayLeadsOut", "overlay: common", "overlay: ../secret",
     "recipes/web-master.yml:10:14: step 1: overlay: name: must be a name of lower-case letters, digits and '-', is '../secret'"},
    {"OverlayHasNoValue", "overlay: common", "overlay:",
     "recipes/web-master.yml:10:5: step 1: overlay: must be a map with 'name', is nothing"},
    {"ScriptIsMissing", "run: scripts/x.sh", "run: scripts/y.sh",
     "recipes/web-master.yml:12:10: step 3: run: script: no file 'scripts/y.sh', did you mean 'scripts/x.sh'?"},
    {"ScriptLeadsOut", "run: scripts/x.sh", "run: ../x.sh",
     "recipes/web-master.yml:12:10: step 3: run: script: must be a path below the recipe's folder, is '../x.sh'"},
    {"ScriptIsAbsolute", "run: scripts/x.sh", "run: /bin/sh",
     "recipes/web-master.yml:12:10: step 3: run: script: must be a path below the recipe's folder, is '/bin/sh'"},
    {"ScriptIsFolder", "run: scripts/x.sh", "run: scripts",
     "recipes/web-master.yml:12:10: step 3: run: script: no file 'scripts'"},
    {"UnitTypeIsUnknown", "enable: [nginx]", "enable: [nginx.servise]",
     "recipes/web-master.yml:13:25: step 4: services: enable 1: must be a systemd unit such as nginx or apt-daily.timer, is 'nginx.servise'"},
    {"UnitIsEnabledAndMasked", "mask: [apt-daily.timer]", "mask: [nginx.service]",
     "recipes/web-master.yml:13:62: step 4: services: mask: 'nginx.service' is also in 'enable'"},
    {"UnitIsEnabledAndDisabled", "disable: [ssh.socket]", "disable: [nginx]",
     "recipes/web-master.yml:13:42: step 4: services: disable: 'nginx.service' is also in 'enable'"},
    {"PayloadIsByUrl", "run: scripts/x.sh", "payload: {name: app, url: \"https://example.org/app\", sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, install: scripts/x.sh}",
     "recipes/web-master.yml:12:31: step 3: payload: url: is not available in this version"},
    {"PayloadFileIsMissing", "run: scripts/x.sh", "payload: {name: app, file: app.tgz, sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, install: scripts/x.sh}",
     "recipes/web-master.yml:12:32: step 3: payload: file: no file 'app.tgz', did you mean 'app.tar'?"},
    {"PayloadHasNoFile", "run: scripts/x.sh", "payload: {name: app, sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, install: scripts/x.sh}",
     "recipes/web-master.yml:12:14: step 3: payload: file: is missing"},
    {"PayloadDigestIsShort", "run: scripts/x.sh", "payload: {name: app, file: app.tar, sha256: abc, install: scripts/x.sh}",
     "recipes/web-master.yml:12:49: step 3: payload: sha256: must be a SHA-256 digest of 64 hexadecimal digits in lower case, is 'abc'"},
    {"PayloadDigestHasCapitals", "run: scripts/x.sh", "payload: {name: app, file: app.tar, sha256: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, install: scripts/x.sh}",
     "recipes/web-master.yml:12:49: step 3: payload: sha256: must be a SHA-256 digest of 64 hexadecimal digits in lower case, is 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA…'"},
    {"PayloadIsWord", "run: scripts/x.sh", "payload: app.tar",
     "recipes/web-master.yml:12:14: step 3: payload: must be a map with 'name', 'file', 'url', 'sha256', 'install', is text"},
    // clang-format on
};

class BadStep : public ProjectFixture, public testing::WithParamInterface<BadInput> {};

TEST_P(BadStep, IsRefusedWithPositionAndReason) {
  write("recipes/web-master.yml", with_defect(kRecipeText, GetParam()));
  EXPECT_EQ(recipe_complaint(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(, BadStep, testing::ValuesIn(kCases), name_of);

}  // namespace
}  // namespace imgbuild::test
