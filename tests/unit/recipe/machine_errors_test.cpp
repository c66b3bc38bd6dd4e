#include <gtest/gtest.h>

#include "unit/recipe/bad_input.h"

namespace imgbuild::test {
namespace {

/// Each replaces a part of kEnvironmentText in project_fixture.h.
const BadInput kCases[] = {
    // clang-format off
    {"MachineNameHasCapital", "name: prod-s1", "name: Prod-s1",
     "prod.yml:8:12: machine 1: name: must be a host name of at most 63 lower-case letters, digits and '-', such as prod-s1, is 'Prod-s1'"},
    {"MachineNameIsTooLong", "name: prod-s1", "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "prod.yml:8:12: machine 1: name: must be a host name of at most 63 lower-case letters, digits and '-', such as prod-s1, is 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'"},
    {"MachineNameEndsWithHyphen", "name: prod-s1", "name: prod-",
     "prod.yml:8:12: machine 1: name: must be a host name of at most 63 lower-case letters, digits and '-', such as prod-s1, is 'prod-'"},
    {"MachineNameIsLocalhost", "name: prod-s1", "name: localhost",
     "prod.yml:8:12: machine 1: name: must not be 'localhost'"},
    {"MachineNameIsRepeated", "name: prod-s2", "name: prod-s1",
     "prod.yml:9:12: machine 2: name: 'prod-s1' is the name of machine 1 already"},
    {"MachineNameHasQuote", "name: prod-s1", "name: \"a'; rm -rf /\"",
     "prod.yml:8:12: machine 1: name: must be a host name of at most 63 lower-case letters, digits and '-', such as prod-s1, is 'a'; rm -rf /'"},
    {"MachineKeyIsMisspelt", "cpus: 2", "cpu: 2",
     "prod.yml:9:79: unknown key 'cpu' in machine 2, did you mean 'cpus'?"},
    {"MachineRoleIsUnknown", "role: web-slave", "role: web-slav",
     "prod.yml:9:27: machine 2: role: unknown role 'web-slav', did you mean 'web-slave'?"},
    {"MachineRoleIsPath", "role: web-slave", "role: ../web-slave",
     "prod.yml:9:27: machine 2: role: unknown role '../web-slave', did you mean 'web-slave'?"},
    {"MachineAddressIsNone", "private_ip: 192.168.50.4", "private_ip: 192.168.50.256",
     "prod.yml:8:51: machine 1: private_ip: must be an IP address that a machine can have, such as 192.168.50.4, is '192.168.50.256'"},
    {"MachineAddressHasLeadingZero", "private_ip: 192.168.50.4", "private_ip: 192.168.050.4",
     "prod.yml:8:51: machine 1: private_ip: must be an IP address that a machine can have, such as 192.168.50.4, is '192.168.050.4'"},
    {"MachineAddressIsLoopback", "private_ip: 192.168.50.4", "private_ip: 127.0.0.1",
     "prod.yml:8:51: machine 1: private_ip: must be an IP address that a machine can have, such as 192.168.50.4, is '127.0.0.1'"},
    {"MachineAddressIsOutside", "private_ip: 192.168.50.4", "private_ip: 192.168.51.4",
     "prod.yml:8:51: machine 1: private_ip: '192.168.51.4' is not in network.internal '192.168.50.0/24'"},
    {"MachineAddressIsOfOtherFamily", "private_ip: 192.168.50.4", "private_ip: fd00::4",
     "prod.yml:8:51: machine 1: private_ip: 'fd00::4' is not in network.internal '192.168.50.0/24'"},
    {"MachineAddressIsBroadcast", "private_ip: 192.168.50.4", "private_ip: 192.168.50.255",
     "prod.yml:8:51: machine 1: private_ip: '192.168.50.255' is the network or broadcast address of '192.168.50.0/24'"},
    {"MachineAddressIsRepeated", "private_ip: 192.168.50.5", "private_ip: 192.168.50.4",
     "prod.yml:9:50: machine 2: private_ip: '192.168.50.4' is an address of machine 1 already"},
    {"MachinePublicAddressIsMulticast", "public_ip: 203.0.113.4", "public_ip: 224.0.0.1",
     "prod.yml:8:76: machine 1: public_ip: must be an IP address that a machine can have, such as 192.168.50.4, is '224.0.0.1'"},
    {"MachineAddressIsMissing", "private_ip: 192.168.50.5, ", "",
     "prod.yml:9:5: key 'private_ip' is missing in machine 2"},
    {"MachineIsText", "machines:", "machines:\n  - prod-s0",
     "prod.yml:8:5: machine 1: must be a map with 'name', 'role', 'private_ip', 'public_ip', 'director', 'external', 'disk', 'memory', 'cpus', 'keys', 'node_id', is text"},
    {"MachineDirectorIsNoAuthority", "memory: 4 GiB", "director: true",
     "prod.yml:9:74: machine 2: director: only a machine of role 'authority' can be it, the role is 'web-slave'"},
    {"SecondMaster", "role: web-slave", "role: web-master",
     "prod.yml:9:27: machine 2: role: a deployment has one 'web-master', machine 1 is it already"},
    {"SlaveWithoutMaster", "  - {name: prod-s1, role: web-master, private_ip: 192.168.50.4, public_ip: 203.0.113.4, disk: 30 GiB}\n", "",
     "prod.yml:8:27: machine 1: role: 'web-slave' needs a machine of role 'web-master', and there is none\n"
     "prod.yml:11:12: settings: unknown setting 'title'"},
    {"AuthorityIsMaster", "role: authority, private_ip: 192.168.50.6, director: true", "role: web-master, private_ip: 192.168.50.6, director: true",
     "prod.yml:10:27: machine 3: role: a deployment has one 'web-master', machine 1 is it already\n"
     "prod.yml:10:75: machine 3: director: only a machine of role 'authority' can be it, the role is 'web-master'\n"
     "prod.yml:11:5: machine 4: director: no authority is it"},
    {"AuthorityIsMarkedAsMaster", "director: true", "director: true, master: true",
     "prod.yml:10:80: unknown key 'master' in machine 3, known are 'name', 'role', 'private_ip', 'public_ip', 'director', 'external', 'disk', 'memory', 'cpus', 'keys', 'node_id'"},
    {"MasterIsDirector", "disk: 30 GiB", "director: true",
     "prod.yml:8:99: machine 1: director: only a machine of role 'authority' can be it, the role is 'web-master'"},
    {"TwoDirectors", "external: true", "external: true, director: true",
     "prod.yml:11:90: machine 4: director: machine 3 is it already"},
    {"NoDirector", ", director: true", "",
     "prod.yml:10:5: machine 3: director: no authority is it"},
    {"NodeIdIsRepeated", "cpus: 2", "node_id: 1",
     "prod.yml:9:88: machine 2: node_id: 1 is that of machine 1 already"},
    {"NodeIdIsThatOfAnothersPlace", "disk: 30 GiB", "node_id: 2",
     "prod.yml:9:5: machine 2: node_id: 2, its place among the web machines, is that of machine 1 already"},
    {"NodeIdIsOfAuthority", "director: true", "director: true, node_id: 3",
     "prod.yml:10:89: machine 3: node_id: only machines of role 'web-master' or 'web-slave' have one, the role is 'authority'"},
    {"NodeIdIsNone", "cpus: 2", "node_id: 0",
     "prod.yml:9:88: machine 2: node_id: must be 1 to 1000000, is '0'"},
    {"TwoAuthoritiesInVault", "director: true, keys: machine}\n  - {name: prod-a2, role: authority, private_ip: 192.168.50.7, external: true}", "director: true}\n  - {name: prod-a2, role: authority, private_ip: 192.168.50.7}",
     "prod.yml:11:27: machine 4: role: the vault would hold the private keys of two authorities, machine 3 and this one"},
    {"ExternalMachineHasDisk", "external: true", "external: true, disk: 20 GiB",
     "prod.yml:11:86: machine 4: disk: says nothing, for an external machine is not built here"},
    {"DiskIsSmallerThanImage", "disk: 30 GiB", "disk: 5 GiB",
     "prod.yml:8:95: machine 1: disk: 5 GiB is less than the image of role 'web-master' has, 10 GiB"},
    {"DiskHasDecimalUnit", "disk: 30 GiB", "disk: 30 GB",
     "prod.yml:8:95: machine 1: disk: must be a size such as 10 GiB (units: B, KiB, MiB, GiB, TiB), is '30 GB'"},
    {"DiskHasNoUnit", "disk: 30 GiB", "disk: 30",
     "prod.yml:8:95: machine 1: disk: must be a size such as 10 GiB (units: B, KiB, MiB, GiB, TiB), is a number"},
    {"DiskIsHuge", "disk: 30 GiB", "disk: 99999 TiB",
     "prod.yml:8:95: machine 1: disk: must be 1 GiB to 16 TiB, is 99999 TiB"},
    {"MemoryIsTooSmall", "memory: 4 GiB", "memory: 4 MiB",
     "prod.yml:9:72: machine 2: memory: must be 256 MiB to 4 TiB, is 4 MiB"},
    {"CpusAreNone", "cpus: 2", "cpus: 0",
     "prod.yml:9:85: machine 2: cpus: must be 1 to 256, is '0'"},
    {"CpusAreOctal", "cpus: 2", "cpus: 02",
     "prod.yml:9:85: without quotes this value is read differently by different programs"},
    {"MachinesAreMap", "machines:", "machines: {}\nmachine:",
     "prod.yml:7:11: machines: must be a list, is a map\n"
     "prod.yml:8:1: unknown key 'machine' in the environment, did you mean 'machines'?"},
    {"MachinesAreEmpty", "machines:", "machines: []\nmachine:",
     "prod.yml:7:11: machines: must hold at least one machine\n"
     "prod.yml:8:1: unknown key 'machine' in the environment, did you mean 'machines'?"},
    // clang-format on
};

class BadMachine : public ProjectFixture, public testing::WithParamInterface<BadInput> {};

TEST_P(BadMachine, IsRefusedWithPositionAndReason) {
  write("prod.yml", with_defect(kEnvironmentText, GetParam()));
  EXPECT_EQ(environment_complaint(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(, BadMachine, testing::ValuesIn(kCases), name_of);

}  // namespace
}  // namespace imgbuild::test
