#include "recipe/port_matrix.h"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "unit/recipe/bad_input.h"

namespace imgbuild::test {
namespace {

constexpr const char* kCommon = R"(groups:
  web: [web-master, web-slave]
  authorities: [authority]
units:
  - {unit: ssh.service}
listen:
  - {port: 22, from: [ops], open: always}
)";

constexpr const char* kWebPart = R"(listen:
  - {port: 22, from: [web], open: always}
  - {port: 443, from: [world, web], open: always, tls: true}
  - {port: 5432, from: [web]}
  - {port: 14443, from: [internal], loopback: true}
)";

constexpr const char* kWebRole = "include: [web]\nlisten:\n  - {port: 123, protocol: udp, from: [internal]}\n";
constexpr const char* kAuthorityText = "listen:\n  - {port: 5000, from: [authorities, web, authorities]}\n"
                                       "  - {port: 4081, from: [authorities], payload: true}\n";
constexpr const char* kAuthorityFile = "overlays/authority/usr/lib/appliance/roles.d/authority.yml";

class PortMatrix : public ProjectFixture {
 protected:
  PortMatrix() {
    for (const char* overlay : {"common", "web", "authority"}) {
      for (const char* folder : {"roles.d", "parts"})
        std::filesystem::create_directories(root() / "overlays" / overlay / "usr/lib/appliance" / folder);
    }
    write("overlays/common/usr/lib/appliance/common.yml", kCommon);
    write("overlays/web/usr/lib/appliance/parts/web.yml", kWebPart);
    for (const char* role : {"web-master", "web-slave"})
      write(fmt::format("overlays/web/usr/lib/appliance/roles.d/{}.yml", role), kWebRole);
    write(kAuthorityFile, kAuthorityText);
    const std::string steps = "steps: [{overlay: common}, {overlay: NAME}]";
    for (const auto& [role, overlay] : {std::pair("web-slave", "web"), std::pair("authority", "authority")}) {
      const std::string text = replaced(replaced(kPlainRecipeText, "ROLE", role), "steps: []", replaced(steps, "NAME", overlay));
      write(fmt::format("recipes/{}.yml", role), text);
    }
    write("recipes/web-master.yml", replaced(kRecipeText, "  - overlay: common\n", "  - overlay: common\n  - overlay: web\n"));
  }

  /// "TO PORT/PROTOCOL SOURCE NETWORK, …", and what is not usual of a row.
  [[nodiscard]] std::vector<std::string> matrix() const {
    Problems problems;
    const Environment environment = read_environment(project(), root() / "prod.yml", problems);
    const std::vector<PortRow> rows = port_matrix(project(), environment, problems);
    problems.throw_if_any();
    std::vector<std::string> lines;
    for (const PortRow& row : rows) {
      std::vector<std::string> sources;
      for (const PortSource& source : row.from)
        sources.push_back(source.network.empty() ? source.name : source.name + ' ' + source.network);
      lines.push_back(fmt::format("{} {}/{} {}{}{}", row.to, row.port, row.protocol, fmt::join(sources, ", "),
                                  row.opens == PortRow::Opens::always ? " always" : "",
                                  row.payload == PortRow::Payload::yes ? " payload" : ""));
    }
    return lines;
  }

  [[nodiscard]] std::string complaint() const {
    return complaint_of([this](Problems&) { (void)matrix(); });
  }
};

TEST_F(PortMatrix, HoldsEveryWayIntoEveryMachineExternalOnesToo) {
  const std::vector<std::string> expected = {
      "prod-s1 22/tcp ops 192.168.50.1/32 always",
      "prod-s1 22/tcp prod-s2 192.168.50.5/32 always",
      "prod-s1 123/udp internal 192.168.50.0/24",
      "prod-s1 443/tcp world always",
      "prod-s1 5432/tcp prod-s2 192.168.50.5/32",
      "prod-s2 22/tcp ops 192.168.50.1/32 always",
      "prod-s2 22/tcp prod-s1 192.168.50.4/32 always",
      "prod-s2 123/udp internal 192.168.50.0/24",
      "prod-s2 443/tcp world always",
      "prod-s2 5432/tcp prod-s1 192.168.50.4/32",
      "prod-a1 22/tcp ops 192.168.50.1/32 always",
      "prod-a1 4081/tcp prod-a2 192.168.50.7/32 payload",
      "prod-a1 5000/tcp prod-a2 192.168.50.7/32, prod-s1 192.168.50.4/32, prod-s2 192.168.50.5/32",
      "prod-a2 22/tcp ops 192.168.50.1/32 always",
      "prod-a2 4081/tcp prod-a1 192.168.50.6/32 payload",
      "prod-a2 5000/tcp prod-a1 192.168.50.6/32, prod-s1 192.168.50.4/32, prod-s2 192.168.50.5/32",
  };
  EXPECT_EQ(matrix(), expected);
}

TEST_F(PortMatrix, LeavesOutAGroupOfWhichTheMachineIsTheOnlyOne) {
  write("prod.yml", replaced(kEnvironmentText, "  - {name: prod-s2, role: web-slave, private_ip: 192.168.50.5, memory: 4 GiB, cpus: 2}\n", ""));
  for (const std::string& line : matrix()) EXPECT_EQ(line.find("5432"), std::string::npos) << line;
}

TEST_F(PortMatrix, NamesSingleMachinesOfIpv6By128Bits) {
  std::string text = replaced(kEnvironmentText, "192.168.50.0/24", "\"fd00::/64\"");
  text = replaced(replaced(text, "private_ip: 192.168.50.4", "private_ip: \"fd00::4\""), "private_ip: 192.168.50.5", "private_ip: \"fd00::5\"");
  write("prod.yml", replaced(replaced(text, "private_ip: 192.168.50.6", "private_ip: \"fd00::6\""), "private_ip: 192.168.50.7", "private_ip: \"fd00::7\""));
  EXPECT_EQ(matrix()[4], "prod-s1 5432/tcp prod-s2 fd00::5/128");
}

TEST_F(PortMatrix, TakesAFileOfALaterOverlayInsteadOfAnEarlierOne) {
  write("overlays/common/usr/lib/appliance/roles.d/authority.yml", "listen: nonsense\n");
  EXPECT_EQ(complaint(), "");
}

TEST_F(PortMatrix, RefusesARoleWithoutDescription) {
  std::filesystem::remove(root() / kAuthorityFile);
  EXPECT_EQ(complaint(), "recipes/authority.yml: none of its overlays holds 'usr/lib/appliance/roles.d/authority.yml'");
}

TEST_F(PortMatrix, RefusesAPartThatIsNotThere) {
  std::filesystem::remove(root() / "overlays/web/usr/lib/appliance/parts/web.yml");
  EXPECT_EQ(complaint(), "recipes/web-master.yml: none of its overlays holds 'usr/lib/appliance/parts/web.yml'");
}

/// Each replaces a part of kAuthorityText.
const BadInput kBadRoles[] = {
    {"KeyIsMisspelt", "listen:", "listn:",
     "unknown key 'listn' in the description, did you mean 'listen'?"},
    {"RowHasUnknownKey", "payload: true", "paylod: true",
     "unknown key 'paylod' in listen 2, did you mean 'payload'?"},
    {"PortIsMissing", "port: 5000, ", "", "key 'port' is missing in listen 1"},
    {"PortIsTooHigh", "port: 5000", "port: 65536", "listen 1: port: must be 1 to 65535, is '65536'"},
    {"PortIsText", "port: 5000", "port: \"5000\"", "listen 1: port: must be a number, is text"},
    {"ProtocolIsUnknown", "port: 5000", "protocol: sctp, port: 5000",
     "listen 1: protocol: unknown protocol 'sctp', known are 'tcp', 'udp'"},
    {"SourceIsMissing", ", from: [authorities, web, authorities]", "", "key 'from' is missing in listen 1"},
    {"SourceIsNoList", "[authorities, web, authorities]", "web", "listen 1: from: must be a list, is text"},
    {"SourceIsUnknown", "[authorities, web, authorities]", "[authority]",
     "listen 1: from 1: unknown source 'authority', did you mean 'authorities'?"},
    {"OpenIsUnknown", "port: 5000", "open: allways, port: 5000",
     "listen 1: open: unknown time 'allways', did you mean 'always'?"},
    {"PayloadIsText", "payload: true", "payload: \"true\"", "listen 2: payload: must be true or false, is text"},
};

class BadRole : public PortMatrix, public testing::WithParamInterface<BadInput> {};

TEST_P(BadRole, IsRefusedWithTheReason) {
  write(kAuthorityFile, with_defect(kAuthorityText, GetParam()));
  const std::string said = complaint();
  ASSERT_TRUE(said.starts_with(std::string(kAuthorityFile) + ":")) << said;
  EXPECT_EQ(said.substr(said.find(": ") + 2), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(, BadRole, testing::ValuesIn(kBadRoles), name_of);

}  // namespace
}  // namespace imgbuild::test
