#pragma once

#include "publish/signature.h"

namespace imgbuild {

/// True if the metadata service answers within a second, which it does on EC2 only, and this instance has a role.
[[nodiscard]] bool has_instance_role();

/// The credentials of the instance's role, by IMDSv2 (a session token first). Throws Error (network) if it does not answer.
[[nodiscard]] AwsCredentials instance_role_credentials();

}  // namespace imgbuild
