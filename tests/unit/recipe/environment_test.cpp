#include "recipe/environment.h"

#include <gmock/gmock.h>

#include "recipe/resolve.h"
#include "recipe/timezone.h"
#include "unit/recipe/project_fixture.h"

namespace imgbuild::test {
namespace {

using testing::ElementsAre;

class EnvironmentReader : public ProjectFixture {
 public:
  Environment read(const std::string& text) {
    write("prod.yml", text);
    Problems problems;
    Environment environment = read_environment(project(), root() / "prod.yml", problems);
    problems.throw_if_any();
    return environment;
  }

  ResolvedSettings resolve(const std::string& text) {
    const Environment environment = read(text);
    Problems problems;
    return resolve_settings(read_recipe(project(), "web-master", problems), environment);
  }
};

TEST_F(EnvironmentReader, ReadsTheDeployment) {
  const Environment environment = read(kEnvironmentText);
  EXPECT_EQ(environment.file, root() / "prod.yml");
  EXPECT_EQ(environment.deployment, "prod");
  EXPECT_EQ(environment.domain, "vote.example.org");
  EXPECT_EQ(environment.base, std::nullopt);
  EXPECT_EQ(environment.timezone, "UTC");
  EXPECT_EQ(environment.ssh_authorized_keys.size(), 1U);
  EXPECT_EQ(environment.internal_network, "192.168.50.0/24");
  EXPECT_THAT(environment.ops_networks, ElementsAre("192.168.50.1/32"));
  EXPECT_EQ(environment.keys, KeyOrigin::seed);
  EXPECT_EQ(environment.lab, Environment::Lab::no);
}

TEST_F(EnvironmentReader, ReadsMachinesInTheFilesOrder) {
  const Environment environment = read(kEnvironmentText);
  ASSERT_EQ(environment.machines.size(), 4U);
  const Machine& master = environment.machines[0];
  EXPECT_EQ(master.name, "prod-s1");
  EXPECT_EQ(master.role, "web-master");
  EXPECT_EQ(master.private_ip, "192.168.50.4");
  EXPECT_EQ(master.public_ip, "203.0.113.4");
  EXPECT_EQ(master.disk, 30_GiB);
  EXPECT_EQ(environment.machines[1].memory, 4_GiB);
  EXPECT_EQ(environment.machines[1].cpus, 2U);
  EXPECT_EQ(environment.machines[2].director, Machine::Director::yes);
  EXPECT_EQ(environment.machines[3].external, Machine::External::yes);
}

TEST_F(EnvironmentReader, LetsAMachineSayWhereItsKeyIsMade) {
  const Environment environment =
      read("keys: machine\n" + replaced(kEnvironmentText, "cpus: 2", "keys: seed"));
  EXPECT_EQ(environment.keys, KeyOrigin::machine);
  EXPECT_EQ(environment.machines[0].keys, KeyOrigin::machine);
  EXPECT_EQ(environment.machines[1].keys, KeyOrigin::seed);
}

TEST_F(EnvironmentReader, AllowsTwoAuthoritiesInAVaultOfALab) {
  const std::string text = replaced(kEnvironmentText, ", keys: machine", "");
  EXPECT_EQ(read("lab: true\n" + replaced(text, ", external: true", "")).lab, Environment::Lab::yes);
}

TEST_F(EnvironmentReader, NumbersTheWebMachinesAndNoOthers) {
  const Environment environment = read(replaced(kEnvironmentText, "cpus: 2", "node_id: 7"));
  EXPECT_EQ(environment.machines[0].node_id, 1U);
  EXPECT_EQ(environment.machines[1].node_id, 7U);
  EXPECT_EQ(environment.machines[2].node_id, std::nullopt);
  EXPECT_EQ(read(kEnvironmentText).machines[1].node_id, 2U);
}

TEST_F(EnvironmentReader, ReadsTheNetworksOfLoadBalancers) {
  EXPECT_TRUE(read(kEnvironmentText).load_balancers.empty());
  const std::string text = replaced(kEnvironmentText, "/32]}", "/32], load_balancers: [192.168.50.20/32]}");
  EXPECT_THAT(read(text).load_balancers, ElementsAre("192.168.50.20/32"));
}

/// A recipe whose Java takes 512 MiB, and must leave as much.
class JavaHeap : public EnvironmentReader {
 public:
  JavaHeap() {
    write("recipes/web-slave.yml", replaced(replaced(kPlainRecipeText, "ROLE", "web-slave"), "steps: []",
                                            "settings: {java_heap: {type: bytes, default: 512 MiB, leaves: 512 MiB}}\nsteps: []"));
  }
  std::string complaint_with(const std::string& machine, const std::string& setting = "") {
    write("prod.yml", replaced(replaced(kEnvironmentText, ", memory: 4 GiB", machine), "title: Election", "title: Election" + setting));
    return environment_complaint();
  }
};

TEST_F(JavaHeap, MayTakeAllButWhatItMustLeave) {
  EXPECT_EQ(complaint_with(", memory: 1 GiB"), "");
  EXPECT_EQ(complaint_with("", ", java_heap: 1536 MiB"), "");
}

TEST_F(JavaHeap, IsRefusedOnAMachineWithLessMemory) {
  EXPECT_EQ(complaint_with(", memory: 1023 MiB"),
            "prod.yml:9:72: machine 2: memory: 1023 MiB does not leave 512 MiB beside setting 'java_heap' of 512 MiB");
}

TEST_F(JavaHeap, IsComparedWithTheMemoryAMachineHasByDefault) {
  EXPECT_EQ(complaint_with("", ", java_heap: 1537 MiB"),
            "prod.yml:9:5: machine 2: memory: 2 GiB (the default) does not leave 512 MiB beside setting 'java_heap' of 1.5 GiB");
}

TEST_F(JavaHeap, IsRefusedIfItIsMoreThanAllMemory) {
  EXPECT_EQ(complaint_with(", memory: 1 GiB", ", java_heap: 2 GiB"),
            "prod.yml:9:72: machine 2: memory: 1 GiB does not leave 512 MiB beside setting 'java_heap' of 2 GiB");
}

TEST_F(JavaHeap, ComesWithTheCure) {
  (void)complaint_with(", memory: 512 MiB");
  Problems problems;
  (void)read_environment(project(), root() / "prod.yml", problems);
  ASSERT_EQ(problems.sorted().size(), 1U);
  EXPECT_EQ(problems.sorted().front().hint, "give the machine more memory, or lower 'java_heap' in 'settings'");
}

TEST_F(EnvironmentReader, AllowsALoneWebMaster) {
  std::string text = kEnvironmentText;
  for (const char* name : {"prod-s2", "prod-a1", "prod-a2"}) {
    const std::size_t begin = text.find("  - {name: " + std::string(name));
    text.erase(begin, text.find('\n', begin) + 1 - begin);
  }
  EXPECT_EQ(read(text).machines.size(), 1U);
}

TEST(InternalNetwork, GivesAMachineAMacAddressThatFollowsFromItsName) {
  const Environment environment{.deployment = "prod", .internal_network = "192.168.50.0/24"};
  EXPECT_EQ(internal_mac(environment, {.name = "prod-s1"}), "52:54:00:08:8f:d4");
  EXPECT_NE(internal_mac(environment, {.name = "prod-s2"}), internal_mac(environment, {.name = "prod-s1"}));
  EXPECT_EQ(internal_address(environment, {.private_ip = "192.168.50.4"}), "192.168.50.4/24");
}

TEST_F(EnvironmentReader, GivesAddressesInCanonicalForm) {
  std::string text = replaced(kEnvironmentText, "192.168.50.0/24", "'fd00:0:0::/64'");
  for (const char* last : {"4", "5", "6", "7"})
    text = replaced(text, "private_ip: 192.168.50." + std::string(last),
                    "private_ip: FD00::000" + std::string(last));
  const Environment environment = read(text);
  EXPECT_EQ(environment.internal_network, "fd00::/64");
  EXPECT_EQ(environment.machines[0].private_ip, "fd00::4");
}

TEST_F(EnvironmentReader, AllowsThatNobodyMayLogIn) {
  const std::string text = replaced(kEnvironmentText, "ssh_authorized_keys: [", "ssh_authorized_keys: [] #");
  EXPECT_TRUE(read(text).ssh_authorized_keys.empty());
}

TEST_F(EnvironmentReader, GivesADiskImageAsBaseRelativeToItsFile) {
  write("base.qcow2", "disk");
  EXPECT_EQ(read("base: ./base.qcow2\n" + std::string(kEnvironmentText)).base,
            (root() / "base.qcow2").string());
}

TEST_F(EnvironmentReader, SaysThatThereIsNoFile) {
  const std::string complaint = complaint_of(
      [this](Problems& problems) { (void)read_environment(project(), root() / "none.yml", problems); });
  EXPECT_THAT(complaint, testing::HasSubstr("none.yml"));
}

TEST_F(EnvironmentReader, ReportsTheProblemsOfRecipesToo) {
  write("recipes/web-slave.yml",
        replaced(replaced(kPlainRecipeText, "ROLE", "web-slave"), "seed: web", "seed: x"));
  write("prod.yml", replaced(kEnvironmentText, "version: 1", "version: 2"));
  EXPECT_EQ(environment_complaint(),
            "prod.yml:1:10: version: must be 1, is '2'\n"
            "recipes/web-slave.yml:6:7: seed: no file 'cidata/x.yml'");
}

TEST_F(EnvironmentReader, RefusesASettingThatTwoRolesTypeDifferently) {
  write("recipes/web-slave.yml", replaced(replaced(kPlainRecipeText, "ROLE", "web-slave"), "steps: []",
                                          "settings: {title: integer}\nsteps: []"));
  EXPECT_EQ(
      environment_complaint(),
      "prod.yml:1:1: setting 'title' has different types in the recipes of 'web-master' and 'web-slave'");
}

TEST_F(EnvironmentReader, NeverShowsASecret) {
  for (const char* password :
       {"[hunter2hunter2]", "hunter2", "\"hunter2\\x07hunter2\"", "{hunter2: hunter2}", "hünter2hunter2"}) {
    write("prod.yml", replaced(kEnvironmentText, "title: Election",
                               "title: Election, password: " + std::string(password)));
    const std::string complaint = environment_complaint();
    EXPECT_NE(complaint, "") << password;
    EXPECT_EQ(complaint.find("nter2"), std::string::npos) << complaint;
  }
}

TEST_F(EnvironmentReader, NeverShowsTheValueOfAnUnknownSetting) {
  write("prod.yml",
        replaced(kEnvironmentText, "title: Election", "title: Election, pasword: hunter2hunter2"));
  EXPECT_EQ(environment_complaint(),
            "prod.yml:12:29: settings: unknown setting 'pasword', did you mean 'password'?");
}

TEST_F(EnvironmentReader, LeadsToItsVaultBesideIt) {
  EXPECT_EQ(vault_folder(read(kEnvironmentText)), root() / "prod.vault");
}

TEST_F(EnvironmentReader, FindsAMachineByName) {
  const Environment environment = read(kEnvironmentText);
  EXPECT_EQ(find_machine(environment, "prod-s2"), &environment.machines[1]);
  EXPECT_EQ(find_machine(environment, "prod-s3"), nullptr);
}

TEST_F(EnvironmentReader, ResolvesSettingsFromTheFileAndFromDefaults) {
  const ResolvedSettings settings = resolve(kEnvironmentText);
  EXPECT_EQ(settings.values, (SettingValues{{"limit", "10485760"}, {"title", "Election"}}));
}

TEST_F(EnvironmentReader, LeavesASecretThatIsNotGivenToTheVault) {
  const ResolvedSettings settings = resolve(kEnvironmentText);
  ASSERT_EQ(settings.secrets.size(), 1U);
  EXPECT_FALSE(settings.secrets.at("password").has_value());
}

TEST_F(EnvironmentReader, ResolvesASecretThatIsGiven) {
  const std::string text =
      replaced(kEnvironmentText, "title: Election", "title: Election, password: \"0777 secret\"");
  EXPECT_EQ(resolve(text).secrets.at("password")->reveal(), "0777 secret");
}

TEST_F(EnvironmentReader, RefusesToResolveASettingWithoutValue) {
  const Recipe recipe{.role = "web-master", .settings = {{.name = "title"}}};
  EXPECT_EQ(complaint_of([&](Problems&) { (void)resolve_settings(recipe, Environment{}); }),
            "settings: 'title' is missing, role 'web-master' needs it");
}

TEST_F(EnvironmentReader, ListsTheTimezonesOfADatabase) {
  std::filesystem::create_directories(root() / "zoneinfo/Europe");
  std::filesystem::create_directories(root() / "zoneinfo/posix");
  for (const char* name : {"UTC", "Europe/Vienna", "posix/UTC", "zone1970.tab"})
    write("zoneinfo/" + std::string(name), "");
  EXPECT_THAT(list_timezones(root() / "zoneinfo"), ElementsAre("Europe/Vienna", "UTC"));
  EXPECT_THAT(list_timezones(root() / "none"), ElementsAre());
}

}  // namespace
}  // namespace imgbuild::test
