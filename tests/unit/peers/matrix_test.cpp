#include "peers/matrix.h"

#include <gtest/gtest.h>

#include "unit/peers/deployment.h"

namespace imgbuild::test {
namespace {

std::vector<std::string> peers_of(const std::string& name) {
  const Environment environment = deployment();
  std::vector<std::string> names;
  for (const Machine* machine : imgbuild::peers_of(environment, *find_machine(environment, name))) names.push_back(machine->name);
  return names;
}

TEST(PeerMatrix, GivesAnAuthorityAllOtherAuthoritiesAndAllWebMachines) {
  EXPECT_EQ(peers_of("prod-a1"), (std::vector<std::string>{"prod-s1", "prod-s2", "prod-a2"}));
  EXPECT_EQ(peers_of("prod-a2"), (std::vector<std::string>{"prod-s1", "prod-s2", "prod-a1"}));
}

TEST(PeerMatrix, GivesAWebMachineAllAuthoritiesAndNoWebMachine) {
  EXPECT_EQ(peers_of("prod-s1"), (std::vector<std::string>{"prod-a1", "prod-a2"}));
  EXPECT_EQ(peers_of("prod-s2"), (std::vector<std::string>{"prod-a1", "prod-a2"}));
}

TEST(PeerMatrix, GivesOthersNobody) { EXPECT_EQ(peers_of("prod-x1"), std::vector<std::string>{}); }

TEST(PeerMatrix, KnowsWhereEachTakesConnections) {
  const Environment environment = deployment();
  EXPECT_EQ(peer_port(environment.machines[0]), 14453U);
  EXPECT_EQ(peer_port(environment.machines[2]), 5000U);
  EXPECT_EQ(peer_port(environment.machines[4]), 0U);
}

}  // namespace
}  // namespace imgbuild::test
