#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/yaml.h"

namespace imgbuild {

/// Where a value in a seed comes from. cidata/README.md lists them for people.
enum class SeedOrigin {
  hostname,
  fqdn,
  timezone,
  ssh_authorized_keys,
  internal_mac,
  internal_address,
  environment_view,
  tls_key,
  tls_certificate,
  host_key,
  host_public_key,
  ssh_user_key,
};

/// A row of the table of origins.
struct SeedOriginKind {
  std::string_view name;  ///< as written after `from:`
  SeedOrigin origin;
  enum class Place { value, file } place;  ///< a value in cloud_config and network, or a whole file
  enum class Secrecy { open, secret } secrecy;
};

/// The origin of that name, or nullptr.
[[nodiscard]] const SeedOriginKind* find_origin(std::string_view name, SeedOriginKind::Place place);
/// The names of the origins that fit a place, in the table's order.
[[nodiscard]] std::vector<std::string> origin_names(SeedOriginKind::Place place);

/// A file that the seed puts into the machine.
struct SeedFileRule {
  std::string path;   ///< absolute
  std::string owner;  ///< "root:root"
  std::string mode;   ///< four octal digits
  SeedOrigin origin = SeedOrigin::environment_view;
  std::string ssh_user = {};  ///< whose key it is, for SeedOrigin::ssh_user_key
};

/// Which machines have the same TLS key and certificate: each its own, or all whose seeds are of one template.
enum class TlsSharing { own, shared };

/// What the seeds of a role carry, as data. Read from cidata/NAME.yml.
struct SeedTemplate {
  std::string name;           ///< NAME
  TlsSharing tls = TlsSharing::own;
  std::vector<std::string> ssh_users;  ///< accounts that log in to the other machines of this template
  yaml::Node cloud_config;    ///< a map; `{from: ORIGIN}` stands for a value
  yaml::Node network;         ///< network-config, version 2
  std::vector<SeedFileRule> files;
};

/// The origin that a node of the form `{from: ORIGIN}` stands for, or nullptr.
[[nodiscard]] const SeedOriginKind* placeholder(const yaml::Node& node);

/// Reads and checks a template. Throws Error (bad input) with all its problems: besides form, a secret anywhere but in a
/// file of mode 0600 or in ssh_keys, and cloud-config keys that could run a command.
[[nodiscard]] SeedTemplate read_seed_template(const std::filesystem::path& file);

}  // namespace imgbuild
