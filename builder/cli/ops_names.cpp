#include "cli/ops_files.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {

std::string security_group_name(const Environment& environment, const Machine& machine) {
  std::string name = environment.deployment + "-" + machine.name;
  if (!name.starts_with("sg-")) return name;  // EC2, CreateSecurityGroup: "cannot start with sg-"
  throw Error(ExitCode::bad_input, "{}: deployment: EC2 takes no security group whose name begins with 'sg-', such as '{}'", environment.file.native(), name)
      .set_hint("give the deployment another name");
}

std::string backup_name(const Environment& environment) {
  constexpr std::size_t kLeast = 2;  // AWS Backup, CreateBackupVault: [a-zA-Z0-9_-]{2,50}
  constexpr std::size_t kMost = 50;
  constexpr std::size_t kDigest = 8;
  const std::string& name = environment.deployment;
  if (name.size() >= kLeast && name.size() <= kMost) return name;
  return name.substr(0, kMost - kDigest - 1) + "-" + sha256(name).substr(0, kDigest);
}

}  // namespace imgbuild
