#include "build/vagrantfile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* kCatalog = R"({"name": "prod/web-master", "versions": [{"version": "3.0.0", "providers": []}]})";

class Vagrantfile : public testing::Test {
 protected:
  Vagrantfile() {
    Plan plan;
    plan.environment.file = "prod.yml";
    plan.environment.deployment = "prod";
    plan.environment.internal_network = "192.168.50.0/24";
    plan.environment.ops_networks = {"10.0.2.2/32", "192.168.121.0/24"};
    plan.recipe.role = "web-master";
    plan.formats = {"qcow2", "box-libvirt", "box-virtualbox"};
    plan.output = folder_.path();
    plan.machines = {{.machine = {.name = "prod-s1", .role = "web-master", .private_ip = "192.168.50.4"}, .settings = {}}};
    plans_ = {plan};
    io::write_file(folder_.path() / "web-master.box.json", kCatalog, 0644);
  }
  std::string error() {
    try {
      require_vagrant_gets_in(plans_);
    } catch (const Error& caught) {
      return fmt::format("{}\n{}", caught.what(), caught.hint());
    }
    return "";
  }
  std::string written(KvmVerdict::Works kvm = KvmVerdict::Works::no) {
    return io::read_file(write_vagrantfile(plans_, kvm));
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "vagrantfile"};
  std::vector<Plan> plans_;
};

TEST_F(Vagrantfile, NamesEachMachineWithItsBoxAddressAndSize) {
  plans_[0].machines[0].machine.memory = 3_GiB;
  plans_[0].machines[0].machine.cpus = 4;
  EXPECT_THAT(written(), HasSubstr("  {name: \"prod-s1\", role: \"web-master\", version: \"3.0.0\", ip: \"192.168.50.4\", mac: \"" +
                                   internal_mac(plans_[0].environment, plans_[0].machines[0].machine) + "\", memory: 3072, cpus: 4},\n"));
  plans_[0].machines[0].machine.memory.reset();
  plans_[0].machines[0].machine.cpus.reset();
  EXPECT_THAT(written(), HasSubstr("memory: 2048, cpus: 2},\n"));
}

TEST_F(Vagrantfile, TakesTheDriverThatWorksHere) {
  EXPECT_THAT(written(KvmVerdict::Works::yes), HasSubstr("\"IMGBUILD_DRIVER\", \"kvm\""));
  EXPECT_THAT(written(KvmVerdict::Works::no), HasSubstr("\"IMGBUILD_DRIVER\", \"qemu\""));
}

TEST_F(Vagrantfile, IsForBoxesOnly) {
  EXPECT_TRUE(has_boxes(plans_));
  plans_[0].formats = {"qcow2"};
  plans_[0].environment.ops_networks = {"10.9.9.0/24"};
  EXPECT_FALSE(has_boxes(plans_));
  EXPECT_EQ(error(), "");
}

TEST_F(Vagrantfile, NeedsTheHostAmongThoseWhoMayLogIn) {
  EXPECT_EQ(error(), "");
  plans_[0].environment.ops_networks = {"10.0.2.2/32"};
  EXPECT_EQ(error(), "prod.yml: network: ops: lacks 192.168.121.1, from where vagrant comes with the provider libvirt\n"
                     "ops: [192.168.121.1/32, …]");
  plans_[0].environment.ops_networks = {"192.168.121.1/32"};
  EXPECT_EQ(error(), "prod.yml: network: ops: lacks 10.0.2.2, from where vagrant comes with the provider virtualbox\n"
                     "ops: [10.0.2.2/32, …]");
}

}  // namespace
}  // namespace imgbuild
