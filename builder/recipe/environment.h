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
  std::optional<ByteSize> memory;                           ///< none: kDefaultMemory
  std::optional<unsigned> cpus;                             ///< none: kDefaultCpus
  KeyOrigin keys = KeyOrigin::seed;  ///< its own, else the environment's
  std::optional<unsigned> node_id = {};  ///< of a web machine in its database cluster, from 1; none for other roles
};

/// The role whose machines hold keys that nobody else may hold, two of them not in one vault.
inline constexpr const char* kAuthorityRole = "authority";
/// The role that a deployment has at most once, and the one whose machines follow it.
inline constexpr const char* kMasterRole = "web-master";
inline constexpr const char* kSlaveRole = "web-slave";

/// What a machine has where the file does not say.
inline constexpr ByteSize kDefaultMemory = 2_GiB;
inline constexpr unsigned kDefaultCpus = 2;

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
  std::vector<std::string> load_balancers;   ///< CIDRs whose word on a client's address is taken; often none
  std::vector<Machine> machines;             ///< in the file's order
  std::map<std::string, Secret> settings;    ///< in canonical form, secrets among them
  KeyOrigin keys = KeyOrigin::seed;          ///< of machines that don't say
  enum class Lab { no, yes } lab = Lab::no;  ///< one vault may hold the keys of several authorities
};

/// The folder of passwords and private keys beside an environment file: prod.vault/ for prod.yml.
[[nodiscard]] std::filesystem::path vault_folder(const Environment& environment);

/// The machine of that name, or nullptr.
[[nodiscard]] const Machine* find_machine(const Environment& environment, const std::string& name);

/// True for the roles that share a database and its cluster.
[[nodiscard]] bool is_web(const std::string& role);

/// The MAC address of the machine's interface in the internal network, where we make that interface:
/// 52:54:00 (QEMU's) and the first three bytes of SHA-256("DEPLOYMENT/NAME/internal").
[[nodiscard]] std::string internal_mac(const Environment& environment, const Machine& machine);

/// The machine's private address with the prefix length of the internal network: "192.168.50.4/24".
[[nodiscard]] std::string internal_address(const Environment& environment, const Machine& machine);

}  // namespace imgbuild
