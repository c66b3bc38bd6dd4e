#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "util/secret.h"
#include "util/size.h"

namespace imgbuild {

/// Where the private key of a machine's certificate is made: in the vault (and put into the seed), or in the
/// machine.
enum class KeyOrigin { seed, machine };

/// One machine of a deployment. Its name is its host name and its peer name.
struct Machine {
  std::string name;
  std::string role;
  std::string private_ip;
  std::string public_ip;  ///< may be empty
  enum class Director { no, yes } director = Director::no;
  enum class External { no, yes } external = External::no;  ///< known, but built and kept by somebody else
  std::optional<ByteSize> disk;                             ///< none: the recipe's
  std::optional<ByteSize> memory;                           ///< none: 2 GiB where we start it ourselves
  std::optional<unsigned> cpus;
  KeyOrigin keys = KeyOrigin::seed;  ///< its own, else the environment's
};

/// The role whose machines hold keys that nobody else may hold, two of them not in one vault.
inline constexpr const char* kAuthorityRole = "authority";
/// The role that a deployment has at most once.
inline constexpr const char* kMasterRole = "web-master";

/// A deployment. Read from one file, such as prod.yml; holds no secret unless somebody wrote one into
/// 'settings'.
struct Environment {
  std::filesystem::path file;  ///< as given
  std::string deployment;
  std::string domain;
  std::optional<std::string> base;  ///< overrides the recipe's; a name, or the absolute path of a disk image
  std::string timezone = "UTC";
  std::vector<std::string> ssh_authorized_keys;
  std::string internal_network;              ///< CIDR
  std::vector<std::string> ops_networks;     ///< CIDRs that may ssh in
  std::vector<Machine> machines;             ///< in the file's order
  std::map<std::string, Secret> settings;    ///< in canonical form, secrets among them
  KeyOrigin keys = KeyOrigin::seed;          ///< of machines that don't say
  enum class Lab { no, yes } lab = Lab::no;  ///< one vault may hold the keys of several authorities
};

/// The folder of passwords and private keys beside an environment file: prod.vault/ for prod.yml.
[[nodiscard]] std::filesystem::path vault_folder(const Environment& environment);

/// The machine of that name, or nullptr.
[[nodiscard]] const Machine* find_machine(const Environment& environment, const std::string& name);

}  // namespace imgbuild
