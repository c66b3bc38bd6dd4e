#include "build/plan.h"

#include <gtest/gtest.h>

#include "image/format.h"
#include "recipe/recipe.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class PlanTest : public ::testing::Test {
 protected:
  PlanTest() {
    put("overlays/web/etc/web.conf", "a");
    put("recipes/scripts/x.sh", "#!/bin/sh\n");
    put("cidata/web.yml", "{}\n");
    put("recipes/web-master.yml", recipe());
    put("prod.yml", environment());
    options_.output_root = "/out";
  }
  static std::string recipe(const std::string& packages = "nginx") {
    return "role: web-master\ndescription: web\nbase: bootstrap\ndisk: 10 GiB\n"
           "settings:\n  iam_database_password: {type: secret}\n  workers: {type: integer, default: 2}\n"
           "steps:\n  - overlay: web\n  - packages: {install: [" + packages + "]}\n  - run: scripts/x.sh\nseed: web\nformats: [qcow2]\n";
  }
  static std::string environment(const std::string& more = "") {
    return "version: 1\ndeployment: prod\ndomain: vote.example.org\nssh_authorized_keys: []\n"
           "network:\n  internal: 192.168.50.0/24\n  ops: [192.168.50.1/32]\n"
           "machines:\n  - {name: prod-s1, role: web-master, private_ip: 192.168.50.4}\n" + more;
  }
  void put(const fs::path& name, const std::string& text) {
    io::make_directories((folder_.path() / name).parent_path(), 0755);
    io::write_file(folder_.path() / name, text, 0644);
  }
  Plan plan() { return make_plan(Project{folder_.path()}, folder_.path() / "prod.yml", options_); }
  std::string digest() { return plan_digest(plan(), std::string(64, '0')); }
  std::string error() {
    try {
      (void)plan();
    } catch (const Error& caught) {
      return caught.what();
    }
    return "no error";
  }
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "plan-test"};
  PlanOptions options_{.role = "web-master"};
};

TEST_F(PlanTest, TakesBaseFormatsAndMachinesFromRecipeAndEnvironment) {
  const Plan made = plan();
  EXPECT_EQ(made.base, "bootstrap");
  EXPECT_EQ(made.formats, std::vector<std::string>{"qcow2"});
  ASSERT_EQ(made.machines.size(), 1U);
  EXPECT_EQ(made.machines[0].settings.values.at("workers"), "2");
  EXPECT_EQ(made.output, fs::path("/out/prod"));
}

TEST_F(PlanTest, DescriptionShowsNoSecret) {
  put("prod.yml", environment("settings:\n  iam_database_password: hunter2hunter2\n"));
  const std::string text = describe(plan());
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  EXPECT_NE(text.find("iam_database_password: *** (environment file)"), std::string::npos) << text;
  EXPECT_EQ(to_json(plan()).find("hunter2"), std::string::npos);
}

TEST_F(PlanTest, DigestIsTheSameForAnotherDeployment) {
  const std::string before = digest();
  put("prod.yml", environment("timezone: Europe/Vienna\nsettings:\n  workers: 7\n"));
  EXPECT_EQ(digest(), before);
}

TEST_F(PlanTest, DigestChangesWithAPackage) {
  const std::string before = digest();
  put("recipes/web-master.yml", recipe("nginx, rsync"));
  EXPECT_NE(digest(), before);
}

TEST_F(PlanTest, DigestChangesWithTheContentOfAnOverlay) {
  const std::string before = digest();
  put("overlays/web/etc/web.conf", "b");
  EXPECT_NE(digest(), before);
}

TEST_F(PlanTest, DigestChangesWithAScript) {
  const std::string before = digest();
  put("recipes/scripts/x.sh", "#!/bin/sh\ntrue\n");
  EXPECT_NE(digest(), before);
}

TEST_F(PlanTest, DigestChangesWithTheBase) {
  EXPECT_NE(plan_digest(plan(), std::string(64, '0')), plan_digest(plan(), std::string(64, '1')));
}

TEST_F(PlanTest, ExternalMachinesAreNotOurs) {
  put("prod.yml", "version: 1\ndeployment: prod\ndomain: vote.example.org\nssh_authorized_keys: []\n"
                  "network:\n  internal: 192.168.50.0/24\n  ops: [192.168.50.1/32]\n"
                  "machines:\n  - {name: prod-s1, role: web-master, private_ip: 192.168.50.4, external: true}\n");
  EXPECT_EQ(error(), (folder_.path() / "prod.yml").native() + ": no machine of role 'web-master' is ours to build");
}

TEST_F(PlanTest, AnUnknownBaseIsNamedWithTheNearest) {
  options_.base = "ubuntu-2404";
  EXPECT_EQ(error(), "unknown base 'ubuntu-2404', did you mean 'ubuntu-24.04'?");
}

TEST(Formats, AreThoseThatRecipesMayAskFor) {
  std::vector<std::string> names;
  for (const OutputFormat& format : output_formats()) names.push_back(format.name);
  names.emplace_back("vagrant");
  EXPECT_EQ(names, known_formats());
}

}  // namespace
}  // namespace imgbuild
