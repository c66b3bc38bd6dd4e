#include "publish/credentials.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "publish/aws_profile.h"
#include "publish/instance_role.h"
#include "util/error.h"

namespace imgbuild {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<AwsCredentials> from_environment() {
  AwsCredentials found = {.access_key = variable("AWS_ACCESS_KEY_ID"), .secret_key = Secret(variable("AWS_SECRET_ACCESS_KEY")),
                          .session_token = Secret(variable("AWS_SESSION_TOKEN"))};
  if (found.access_key.empty() && found.secret_key.empty()) return std::nullopt;
  if (found.access_key.empty() || found.secret_key.empty()) {
    throw Error(ExitCode::bad_input, "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set").set_hint("set both, or neither");
  }
  return found;
}

std::optional<AwsCredentials> keys_of(const AwsProfile& profile) {
  const auto value = [&](const char* key) { return profile.contains(key) ? profile.at(key) : std::string(); };
  if (value("aws_access_key_id").empty() || value("aws_secret_access_key").empty()) return std::nullopt;
  return AwsCredentials{.access_key = value("aws_access_key_id"), .secret_key = Secret(value("aws_secret_access_key")),
                        .session_token = Secret(value("aws_session_token"))};
}

/// Its stdout is credentials, maybe also where it fails: it is never shown.
AwsCredentials ask_program(CommandRunner& runner, const std::vector<std::string>& words) {
  const Command command = {.program = words.front(), .arguments = {words.begin() + 1, words.end()}, .timeout = std::chrono::minutes(2),
                           .output_limit = 64_KiB};
  CommandResult result = runner.run(command);
  if (result.succeeded()) return read_process_credentials(result.out, words.front());
  result.out.clear();
  throw command_error(command, result);
}

std::unique_ptr<CredentialSource> from_program(CommandRunner& runner, std::vector<std::string> words) {
  return std::make_unique<RenewingCredentials>([words = std::move(words), &runner] { return ask_program(runner, words); });
}

/// What only AWS's own program knows to get. 'needing' is what needs it; 'profile' may be empty.
std::unique_ptr<CredentialSource> from_awscli(CommandRunner& runner, const std::string& needing, const std::string& profile) {
  constexpr const char* kVersion = "AWS CLI 2.9 or later is needed (older ones have no 'aws configure export-credentials')";
  if (!find_program("aws")) {
    throw Error(ExitCode::host_unfit, "{} needs the program 'aws' for its login, and it is not installed", needing)
        .set_hint(std::string(kVersion) + "; or set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN");
  }
  std::vector<std::string> words = {"aws", "configure", "export-credentials"};
  if (!profile.empty()) words.insert(words.end(), {"--profile", profile});
  words.insert(words.end(), {"--format", "process"});
  return std::make_unique<RenewingCredentials>([words = std::move(words), needing, &runner] {
    try {
      return ask_program(runner, words);
    } catch (Error& error) {
      error.add_context("asking for the credentials of " + needing);
      error.set_hint(std::string(kVersion) + "; if a login has ended, log in again: aws sso login");
      throw;
    }
  });
}

bool has_any(const AwsProfile& profile, std::initializer_list<const char*> keys) {
  return std::ranges::any_of(keys, [&](const char* key) { return profile.contains(key); });
}

/// Where a profile says several things, AWS's tools take them in this order.
std::unique_ptr<CredentialSource> from_profile(const std::string& given, const AwsProfile& profile, CommandRunner& runner) {
  const std::string name = profile_name(given);
  const std::string needing = fmt::format("profile '{}'", name);
  const bool is_assumed = profile.contains("role_arn") && !profile.contains("web_identity_token_file");
  if (is_assumed) return from_awscli(runner, needing, name);
  const bool has_identity = !variable("AWS_WEB_IDENTITY_TOKEN_FILE").empty() && !variable("AWS_ROLE_ARN").empty();
  if (given.empty() && has_identity) return from_awscli(runner, "AWS_WEB_IDENTITY_TOKEN_FILE", "");
  if (has_any(profile, {"web_identity_token_file", "sso_account_id", "sso_role_name"})) return from_awscli(runner, needing, name);
  if (std::optional<AwsCredentials> keys = keys_of(profile)) return std::make_unique<FixedCredentials>(std::move(*keys));
  if (profile.contains("login_session")) return from_awscli(runner, needing, name);
  if (!profile.contains("credential_process")) return nullptr;
  std::vector<std::string> words = split_words(profile.at("credential_process"));
  if (words.empty()) throw Error(ExitCode::bad_input, "{}: credential_process is empty", needing);
  return from_program(runner, std::move(words));
}

std::unique_ptr<CredentialSource> from_container(const std::string& given, CommandRunner& runner) {
  for (const char* name : {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}) {
    if (!variable(name).empty()) return from_awscli(runner, name, given);
  }
  return nullptr;
}

bool is_metadata_disabled() {
  std::string value = variable("AWS_EC2_METADATA_DISABLED");
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return value == "true";
}

std::time_t read_time(const std::string& text) {
  std::tm time = {};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (end == nullptr) return 0;  // long gone: it is asked for again
  std::time_t offset = 0;
  int hours = 0;
  int minutes = 0;
  char sign = '+';
  if (std::sscanf(end, "%c%2d:%2d", &sign, &hours, &minutes) == 3) offset = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
  return ::timegm(&time) - offset;
}

}  // namespace

AwsCredentials read_process_credentials(const std::string& text, const std::string& origin) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  const auto value = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
  };
  AwsCredentials found = {.access_key = value("AccessKeyId"), .secret_key = Secret(value("SecretAccessKey")),
                          .session_token = Secret(value("SessionToken"))};
  if (found.session_token.empty()) found.session_token = Secret(value("Token"));  // as an instance's role calls it
  if (found.access_key.empty() || found.secret_key.empty()) {
    throw Error(ExitCode::bad_input, "{}: prints no credentials: JSON with AccessKeyId and SecretAccessKey is needed", origin);
  }
  if (!value("Expiration").empty()) found.expires = read_time(value("Expiration"));
  return found;
}

std::unique_ptr<CredentialSource> find_credentials(const std::string& profile, CommandRunner& runner) {
  if (profile.empty()) {
    if (std::optional<AwsCredentials> found = from_environment()) return std::make_unique<FixedCredentials>(std::move(*found));
  }
  if (std::unique_ptr<CredentialSource> source = from_profile(profile, read_profile(profile), runner)) return source;
  if (std::unique_ptr<CredentialSource> source = from_container(profile, runner)) return source;
  if (!is_metadata_disabled() && has_instance_role()) return std::make_unique<RenewingCredentials>([] { return instance_role_credentials(); });
  throw Error(ExitCode::bad_input,
              "there are no AWS credentials: neither AWS_ACCESS_KEY_ID, nor keys or a login in profile '{}', nor a role of this instance", profile_name(profile))
      .set_hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws/config with --profile");
}

std::optional<std::string> configured_region(const std::string& profile) {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (!variable(name).empty()) return variable(name);
  }
  const AwsProfile settings = read_profile(profile);
  const auto found = settings.find("region");
  return found == settings.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace imgbuild
