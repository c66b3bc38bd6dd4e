#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "util/secret.h"

namespace imgbuild {

/// What proves to AWS who we are.
struct AwsCredentials {
  std::string access_key;
  Secret secret_key;
  Secret session_token;                ///< empty: they are long-lived
  std::optional<std::time_t> expires;  ///< none: never, or not said
};

using HttpHeader = std::pair<std::string, std::string>;  ///< lower-case name, value

/// What the digest of a body is in a signature that leaves the body out.
inline constexpr const char* kUnsignedPayload = "UNSIGNED-PAYLOAD";

/// A request as it will be sent.
struct RequestToSign {
  std::string method;
  std::string path;   ///< encoded
  std::string query;  ///< encoded, "name=value" joined with &, sorted; may be empty
  std::vector<HttpHeader> headers;  ///< host among them; all get signed
  std::string payload_digest;       ///< SHA-256 of the body in hex, or kUnsignedPayload
};

/// For whom and when a signature is good.
struct SigningScope {
  std::string region;
  std::string service;
  std::time_t time = 0;
};

/// The request's headers and those that make it a signed one: x-amz-date, authorization and, with temporary credentials,
/// x-amz-security-token (AWS Signature Version 4). libcurl's own signer would do on new systems; that of Ubuntu 22.04 (7.81)
/// signs neither our headers nor requests without the body's digest.
[[nodiscard]] std::vector<HttpHeader> sign(const RequestToSign& request, const SigningScope& scope, const AwsCredentials& credentials);

/// The text whose digest is signed, for tests.
[[nodiscard]] std::string canonical_request(const RequestToSign& request, const std::string& service);

/// RFC 3986: all but letters, digits and "-._~" as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text, std::string_view kept = "");

}  // namespace imgbuild
