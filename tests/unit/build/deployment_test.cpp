#include "build/deployment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "build/seeds.h"
#include "complaint.h"
#include "seed/seed.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;

const Project kOwn{.root = IMGBUILD_SOURCE_DIR};

/// The example deployment of four machines, with recipes, seeds and overlays as they are.
class Deployment : public ::testing::Test {
 protected:
  Deployment() { put(io::read_file(IMGBUILD_SOURCE_DIR "/recipes/examples/deployment.yml")); }
  void put(const std::string& text) { io::write_file(file_, text, 0644); }
  /// Replaces text of the environment file.
  void change(const std::string& from, const std::string& to) {
    std::string text = io::read_file(file_);
    ASSERT_NE(text.find(from), std::string::npos) << from;
    put(text.replace(text.find(from), from.size(), to));
  }
  std::vector<Plan> plans(const PlanOptions& options = {.role = {}, .output_root = "/out"}) {
    return make_plans(kOwn, file_, options);
  }
  /// Writes all seeds and returns the view of a machine with everything else of its seed.
  std::string seed_of(const std::string& machine) {
    (void)write_seeds(kOwn, plans({.role = {}, .output_root = folder_.path()}), status_);
    return read_seed(folder_.path() / "prod" / (machine + ".seed.iso")).user_data.reveal();
  }
  [[nodiscard]] fs::path vault() const { return folder_.path() / "prod.vault"; }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "deployment-test"};
  fs::path file_ = folder_.path() / "prod.yml";
  SilentStatus status_;
};

TEST_F(Deployment, HasAPlanForEachRoleOfOurs) {
  std::vector<std::string> roles;
  for (const Plan& plan : plans()) roles.push_back(plan.recipe.role);
  EXPECT_THAT(roles, ElementsAre("web-master", "web-slave", "authority"));
  EXPECT_EQ(plans()[2].machines.size(), 2U);
}

TEST_F(Deployment, MakesOneImageForBothWebRoles) {
  const std::vector<Plan> made = plans();
  EXPECT_THAT(image_groups(made), ElementsAre(ElementsAre(0U, 1U), ElementsAre(2U)));
  EXPECT_THAT(made[0].roles, ElementsAre("web-master", "web-slave"));
  EXPECT_EQ(plan_digest(made[0], "base"), plan_digest(made[1], "base"));
  EXPECT_NE(plan_digest(made[0], "base"), plan_digest(made[2], "base"));
}

TEST_F(Deployment, KnowsThatWebMachinesShareKeysAndAuthoritiesDoNot) {
  const std::vector<Plan> made = plans();
  EXPECT_EQ(made[0].group.size(), 2U);
  EXPECT_EQ(made[0].group[1].name, "prod-s2");
  EXPECT_EQ(made[2].group.size(), 2U);
}

TEST_F(Deployment, MayBeOfOneMachine) {
  const std::vector<Plan> made = plans({.role = {}, .machine = "prod-a2", .output_root = "/out"});
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].machines[0].machine.name, "prod-a2");
  EXPECT_EQ(complaint_of([&] { (void)plans({.role = {}, .machine = "prod-a3", .output_root = "/out"}); }),
            file_.native() + ": there is no machine 'prod-a3', did you mean 'prod-a1'?");
}

TEST_F(Deployment, HasNoPlanForRolesOfOthers) {
  change("memory: 1 GiB, director: true}", "director: true, external: true}");
  change("private_ip: 192.168.50.7, memory: 1 GiB}", "private_ip: 192.168.50.7, external: true}");
  EXPECT_EQ(plans().size(), 2U);
  EXPECT_EQ(complaint_of([&] { (void)plans({.role = {}, .machine = "prod-a2", .output_root = "/out"}); }),
            file_.native() + ": machine 'prod-a2' is external: somebody else builds it");
}

TEST_F(Deployment, WouldMakeEachEntryOfTheVaultOnce) {
  EXPECT_THAT(missing_in_vault(kOwn, plans()),
              ElementsAre("passwords/ballot_box_database_password", "passwords/iam_database_password",
                          "passwords/keystore_password", "passwords/replication_password", "shared/web/tls.key",
                          "machines/prod-s1/ssh_host_ed25519_key", "machines/prod-s1/ssh/postgres",
                          "machines/prod-s1/ssh/ballotbox", "machines/prod-s2/ssh_host_ed25519_key",
                          "machines/prod-s2/ssh/postgres", "machines/prod-s2/ssh/ballotbox", "machines/prod-a1/tls.key",
                          "machines/prod-a1/ssh_host_ed25519_key", "machines/prod-a2/tls.key",
                          "machines/prod-a2/ssh_host_ed25519_key"));
  EXPECT_FALSE(fs::exists(vault()));
}

TEST_F(Deployment, RefusesTwoAuthoritiesInOneVaultBeforeWriting) {
  change("lab: true\n", "keys: seed\n");
  EXPECT_THAT(complaint_of([&] { (void)plans(); }),
              ::testing::StartsWith(file_.native() +
                                    ":25:27: machine 4: role: the vault would hold the private keys of two authorities, machine 3 "
                                    "and this one"));
}

TEST_F(Deployment, ServesAuthoritiesThatMakeTheirOwnKeys) {
  change("lab: true\n", "");
  change("director: true}", "director: true, keys: machine}");
  change("192.168.50.7, memory: 1 GiB}", "192.168.50.7, memory: 1 GiB, keys: machine}");
  EXPECT_THAT(missing_in_vault(kOwn, plans()), ::testing::Not(::testing::Contains("machines/prod-a1/tls.key")));
  (void)seed_of("prod-a1");
  EXPECT_FALSE(fs::exists(vault() / "machines/prod-a2/tls.key"));
}

TEST_F(Deployment, BuildsSoManyAtOnceAsProcessorsAndMemoryAllow) {
  EXPECT_EQ(parallel_builds(3, 8, 16_GiB), 3U);
  EXPECT_EQ(parallel_builds(3, 2, 16_GiB), 2U);
  EXPECT_EQ(parallel_builds(3, 8, 2_GiB), 2U);
  EXPECT_EQ(parallel_builds(3, 8, 100_MiB), 1U);
  EXPECT_EQ(parallel_builds(3, 0, 16_GiB), 1U);
}

}  // namespace
}  // namespace imgbuild
