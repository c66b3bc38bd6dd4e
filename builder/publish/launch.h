#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "publish/ec2.h"
#include "util/secret.h"
#include "util/size.h"

namespace imgbuild {

/// Tag "DEPLOYMENT/MACHINE" of an instance, by which it is found again.
inline constexpr const char* kMachineTag = "imgbuild:machine";
/// Tag that AWS Backup's plan looks for (`imgbuild ops`).
inline constexpr const char* kBackupTag = "backup-normal";

/// A machine to start.
struct Launch {
  std::string deployment;
  std::string machine;
  std::string role;
  std::string ami;
  std::string type;                  ///< instance type
  std::string subnet;
  std::string private_ip;
  std::string public_ip;             ///< may be empty
  std::string allocation;            ///< id of the Elastic IP that public_ip is
  std::vector<std::string> groups;   ///< ids of security groups
  std::uint64_t volume_gib = 0;      ///< 0: as large as the image
  std::string seed_snapshot;         ///< empty: the seed is in user-data
  std::string token;                 ///< the client token: asking twice starts one machine. Empty while nothing is to be started
  Secret user_data;                  ///< base64; empty with a seed volume

  [[nodiscard]] std::string tag() const { return deployment + "/" + machine; }
};

/// The parameters of RunInstances.
[[nodiscard]] Ec2Parameters launch_parameters(const Launch& launch);

struct Subnet {
  std::string vpc;
  std::string cidr;
};
/// Throws Error (bad input) if there is none.
[[nodiscard]] Subnet get_subnet(Aws& aws, const std::string& id);
/// The id of the group of that name; throws Error (bad input) with the cure.
[[nodiscard]] std::string get_group(Aws& aws, const std::string& vpc, const std::string& name);

/// An instance as EC2 tells of it.
struct InstanceFacts {
  std::string id;
  std::string state;   ///< pending, running, stopping, stopped, shutting-down, terminated
  std::string reason;  ///< for that state; may be empty
};
/// The instance of that machine that is there, and neither terminated nor on the way to be.
[[nodiscard]] std::optional<InstanceFacts> find_instance(Aws& aws, const std::string& tag);
/// Returns its id, or that of the machine started before with the same token. Nothing if the token is spent: it stays for a day that of a
/// machine that was terminated, or that was asked for with other parameters and is not there.
[[nodiscard]] std::optional<std::string> start_instance(Aws& aws, const Launch& launch);
/// Asks until it neither starts nor stops. Throws Error after ten minutes.
[[nodiscard]] InstanceFacts wait_for_instance(Aws& aws, const std::string& id);

/// An Elastic IP.
struct Allocation {
  std::string id;
  std::string instance;  ///< that has it now; may be empty
};
/// Nothing if the account has no such one.
[[nodiscard]] std::optional<Allocation> find_allocation(Aws& aws, const std::string& public_ip);
/// To an instance that runs or is stopped. Twice does what once does.
void associate_address(Aws& aws, const std::string& instance, const std::string& allocation);

/// The smallest instance type of a general family with so much memory and so many processors. Throws Error (bad input) above 256 GiB.
[[nodiscard]] std::string instance_type_for(ByteSize memory, unsigned cpus);

/// EC2 takes so much user-data, before base64.
inline constexpr std::size_t kMostUserData = 16 << 10;

}  // namespace imgbuild
