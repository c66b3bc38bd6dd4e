#pragma once

#include <memory>
#include <optional>
#include <string>

#include "publish/credential_source.h"
#include "util/command.h"

namespace imgbuild {

/// The credentials of this host, found the way AWS's tools do, in this order; the first that is there is taken:
///
///   1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, unless 'profile' is given
///   2. the profile ('profile', AWS_PROFILE or "default") in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and AWS_CONFIG_FILE
///      (~/.aws/config): its keys, or what its credential_process says
///   3. `aws configure export-credentials`, where installed, for what else a profile may say: SSO, roles, web identities
///   4. the role of this EC2 instance (IMDSv2), unless a profile was named or AWS_EC2_METADATA_DISABLED is "true"
///
/// Throws Error (bad input) that says where was looked if there are none. Nothing secret gets into logs or arguments.
[[nodiscard]] std::unique_ptr<CredentialSource> find_credentials(const std::string& profile, CommandRunner& runner);

/// The region that environment (AWS_REGION, AWS_DEFAULT_REGION) or the profile names.
[[nodiscard]] std::optional<std::string> configured_region(const std::string& profile);

/// Reads what `credential_process` and `aws configure export-credentials` print: {"Version": 1, "AccessKeyId": …}. 'origin' begins
/// the Error (bad input) that it throws; the text itself is never shown.
[[nodiscard]] AwsCredentials read_process_credentials(const std::string& text, const std::string& origin);

}  // namespace imgbuild
