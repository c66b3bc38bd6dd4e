#include "publish/launch.h"

#include <gtest/gtest.h>

#include "complaint.h"

namespace imgbuild {
namespace {

TEST(InstanceType, IsTheSmallestThatFits) {
  EXPECT_EQ(instance_type_for(2_GiB, 1), "t3.small");
  EXPECT_EQ(instance_type_for(3_GiB, 2), "t3.medium");
  EXPECT_EQ(instance_type_for(2_GiB, 4), "t3.xlarge");
  EXPECT_EQ(complaint_of([] { (void)instance_type_for(500_GiB, 1); }), "no instance type is known with 500 GiB and 1 processors\nhint: name one with --type");
}

TEST(LaunchParameters, HaveAClientTokenOnlyForAStart) {
  Launch launch = {.deployment = "prod", .machine = "prod-s1", .role = "web-master", .ami = "ami-1"};
  const auto tokens = [](const Launch& of) {
    std::vector<std::string> found;
    for (const auto& [name, value] : launch_parameters(of)) {
      if (name == "ClientToken") found.push_back(value);
    }
    return found;
  };
  EXPECT_EQ(tokens(launch), std::vector<std::string>{});
  launch.token = "token";
  EXPECT_EQ(tokens(launch), std::vector<std::string>{"token"});
}

}  // namespace
}  // namespace imgbuild
