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
///   2. a role that the profile ('profile', AWS_PROFILE or "default") says to assume
///   3. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, unless 'profile' is given
///   4. what else the profile says, in AWS_CONFIG_FILE (~/.aws/config) and AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials): a web
///      identity or SSO, keys, a login, credential_process
///   5. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI
///   6. the role of this EC2 instance (IMDSv2), unless AWS_EC2_METADATA_DISABLED is "true"
///
/// Roles, web identities, SSO, logins and containers are left to `aws configure export-credentials`, which must be installed for them.
/// Throws Error (bad input) that says where was looked if there are none. Nothing secret gets into logs or arguments.
[[nodiscard]] std::unique_ptr<CredentialSource> find_credentials(const std::string& profile, CommandRunner& runner);

/// The region that environment (AWS_REGION, AWS_DEFAULT_REGION) or the profile names.
[[nodiscard]] std::optional<std::string> configured_region(const std::string& profile);

/// Reads what `credential_process` and `aws configure export-credentials` print: {"Version": 1, "AccessKeyId": …}. 'origin' begins
/// the Error (bad input) that it throws; the text itself is never shown.
[[nodiscard]] AwsCredentials read_process_credentials(const std::string& text, const std::string& origin);

}  // namespace imgbuild
