#pragma once

#include <map>
#include <optional>
#include <string>

#include "recipe/environment.h"
#include "util/secret.h"
#include "util/yaml.h"

namespace imgbuild {

/// A certificate and its key, in PEM form.
struct SeedTls {
  Secret key;
  std::string certificate;
};

/// An ssh key: OpenSSH's private file and the public line.
struct SeedSshKey {
  Secret private_key;
  std::string public_key;
};

/// All that the seed of one machine is made from. The secrets of others are not in it, but for 'environment.settings',
/// which nothing here reads.
struct SeedInput {
  const Environment& environment;
  const Machine& machine;                  ///< one of the environment's
  std::map<std::string, Secret> settings;  ///< what the machine's recipe declares, secret or not, as text
  std::optional<SeedTls> tls;              ///< none: the machine makes its own, and files from it are left out
  SeedSshKey host_key;
  std::map<std::string, SeedSshKey> user_keys = {};  ///< by user: the template's ssh_users
  /// Public lines that the view shows: machine → "host" or user → line. None for machines of other templates.
  std::map<std::string, std::map<std::string, std::string>> public_ssh_keys = {};
};

/// The login of the people who run the deployment.
inline constexpr const char* kOpsUser = "ops";

/// The machine's view of its deployment, for /etc/appliance/env.yml: what all may know of every machine, and its own
/// settings. 'seed' is the template's name, 'instance' the instance-id.
[[nodiscard]] yaml::Node environment_view(const SeedInput& input, const std::string& seed, const std::string& instance);

}  // namespace imgbuild
