#pragma once

#include <string>

#include "keys/certificate.h"
#include "keys/private_key.h"
#include "recipe/environment.h"

namespace imgbuild::test {

inline constexpr std::time_t kNow = 1'780'000'000;  // 2026-05-28 20:26:40 UTC

/// Two web machines and two authorities, of which the second is external; and one that has no peers.
inline Environment deployment() {
  Environment environment = {.file = "prod.yml", .deployment = "prod", .domain = "vote.example.org"};
  environment.machines = {
      {.name = "prod-s1", .role = "web-master", .private_ip = "192.168.50.4", .public_ip = "203.0.113.4"},
      {.name = "prod-s2", .role = "web-slave", .private_ip = "192.168.50.5", .public_ip = ""},
      {.name = "prod-a1", .role = "authority", .private_ip = "192.168.50.6", .public_ip = ""},
      {.name = "prod-a2", .role = "authority", .private_ip = "192.168.50.7", .public_ip = ""},
      {.name = "prod-x1", .role = "monitor", .private_ip = "192.168.50.8", .public_ip = ""},
  };
  environment.machines[3].external = Machine::External::yes;
  return environment;
}

/// A certificate that peers take, in PEM form.
inline std::string certificate_for(const std::vector<std::string>& names, KeyType type = KeyType::ec_p256) {
  return make_certificate(make_private_key(type), {.dns_names = names, .now = kNow});
}

}  // namespace imgbuild::test
