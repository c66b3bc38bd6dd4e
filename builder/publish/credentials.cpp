#include "publish/credentials.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>
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

std::optional<AwsCredentials> from_profile(const AwsProfile& profile) {
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

/// What only AWS's own program knows to read.
bool needs_program(const AwsProfile& profile) {
  for (const char* key : {"sso_session", "sso_start_url", "role_arn", "web_identity_token_file", "login_session"}) {
    if (profile.contains(key)) return true;
  }
  return false;
}

std::unique_ptr<CredentialSource> of_profile(const std::string& name, CommandRunner& runner) {
  const AwsProfile profile = read_profile(name);
  if (std::optional<AwsCredentials> keys = from_profile(profile)) return std::make_unique<FixedCredentials>(std::move(*keys));
  if (profile.contains("credential_process")) {
    const std::vector<std::string> words = split_words(profile.at("credential_process"));
    if (words.empty()) throw Error(ExitCode::bad_input, "profile '{}': credential_process is empty", name);
    return std::make_unique<RenewingCredentials>([words, &runner] { return ask_program(runner, words); });
  }
  if (!needs_program(profile)) return nullptr;
  if (!find_program("aws")) {
    throw Error(ExitCode::host_unfit, "profile '{}' needs the program 'aws' for its login, and it is not installed", name)
        .set_hint("apt-get install awscli, or set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN");
  }
  const std::vector<std::string> words = {"aws", "configure", "export-credentials", "--profile", name, "--format", "process"};
  return std::make_unique<RenewingCredentials>([words, &runner] { return ask_program(runner, words); });
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
  const std::string name = profile_name(profile);
  if (std::unique_ptr<CredentialSource> source = of_profile(name, runner)) return source;
  const bool is_named = !profile.empty() || !variable("AWS_PROFILE").empty();
  if (!is_named && variable("AWS_EC2_METADATA_DISABLED") != "true") {
    if (has_instance_role()) return std::make_unique<RenewingCredentials>([] { return instance_role_credentials(); });
  }
  throw Error(ExitCode::bad_input, "there are no AWS credentials: neither AWS_ACCESS_KEY_ID, nor keys or a login in profile '{}'{}", name,
              is_named ? "" : ", nor a role of this instance")
      .set_hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws/config with --profile");
}

std::optional<std::string> configured_region(const std::string& profile) {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (!variable(name).empty()) return variable(name);
  }
  const AwsProfile settings = read_profile(profile_name(profile));
  const auto found = settings.find("region");
  return found == settings.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace imgbuild
