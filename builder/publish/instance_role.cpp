#include "publish/instance_role.h"

#include <cstdlib>

#include "publish/credentials.h"
#include "publish/http.h"
#include "util/error.h"

namespace imgbuild {
namespace {

constexpr std::chrono::milliseconds kTimeout{1'000};
constexpr const char* kRolePath = "/latest/meta-data/iam/security-credentials/";

std::string service() {
  const char* other = std::getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  std::string url = other == nullptr || *other == '\0' ? "http://169.254.169.254" : other;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string ask(HttpEngine& engine, const std::string& method, const std::string& path, const HttpHeader& header) {
  const HttpAnswer answer = request(engine, {.method = method, .url = service() + path, .headers = {header}, .body = {}, .timeout = kTimeout});
  if (answer.status != 200) {
    throw Error(ExitCode::network, "{}{}: {}", service(), path, answer.status == 0 ? answer.failure : fmt::format("status {}", answer.status));
  }
  return answer.body;
}

struct Session {
  HttpEngine engine;
  HttpHeader token;
  std::string role;

  Session() {
    token = {"x-aws-ec2-metadata-token", ask(engine, "PUT", "/latest/api/token", {"x-aws-ec2-metadata-token-ttl-seconds", "300"})};
    role = ask(engine, "GET", kRolePath, token);
    role = role.substr(0, role.find('\n'));
  }
};

}  // namespace

bool has_instance_role() {
  try {
    return !Session().role.empty();
  } catch (const Error&) {
    return false;  // not on EC2, or without a role
  }
}

AwsCredentials instance_role_credentials() {
  Session session;
  return read_process_credentials(ask(session.engine, "GET", kRolePath + session.role, session.token), "the role of this instance");
}

}  // namespace imgbuild
