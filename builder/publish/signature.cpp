#include "publish/signature.h"

#include <algorithm>

#include <fmt/chrono.h>

#include "util/digest.h"

namespace imgbuild {
namespace {

constexpr const char* kAlgorithm = "AWS4-HMAC-SHA256";

std::vector<HttpHeader> sorted(std::vector<HttpHeader> headers) {
  std::ranges::sort(headers);
  return headers;
}

std::string signed_names(const std::vector<HttpHeader>& headers) {
  std::string names;
  for (const auto& [name, value] : sorted(headers)) names += (names.empty() ? "" : ";") + name;
  return names;
}

/// Every service but S3 wants the path encoded once more than it is sent.
std::string canonical_path(const RequestToSign& request, const std::string& service) {
  return service == "s3" ? request.path : percent_encode(request.path, "/");
}

std::string signing_key(const SigningScope& scope, const std::string& day, const AwsCredentials& credentials) {
  std::string key = hmac_sha256("AWS4" + credentials.secret_key.reveal(), day);
  for (const std::string& word : {scope.region, scope.service, std::string("aws4_request")}) key = hmac_sha256(key, word);
  return key;
}

}  // namespace

std::string percent_encode(std::string_view text, std::string_view kept) {
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          std::string_view("-._~").find(c) != std::string_view::npos || kept.find(c) != std::string_view::npos;
    if (is_plain) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string canonical_request(const RequestToSign& request, const std::string& service) {
  std::string text = fmt::format("{}\n{}\n{}\n", request.method, canonical_path(request, service), request.query);
  for (const auto& [name, value] : sorted(request.headers)) text += fmt::format("{}:{}\n", name, value);
  return text + fmt::format("\n{}\n{}", signed_names(request.headers), request.payload_digest);
}

std::vector<HttpHeader> sign(const RequestToSign& request, const SigningScope& scope, const AwsCredentials& credentials) {
  const std::string time = fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(scope.time));
  const std::string day = time.substr(0, 8);
  RequestToSign whole = request;
  whole.headers.emplace_back("x-amz-date", time);
  if (!credentials.session_token.empty()) whole.headers.emplace_back("x-amz-security-token", credentials.session_token.reveal());
  const std::string place = fmt::format("{}/{}/{}/aws4_request", day, scope.region, scope.service);
  const std::string text =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, place, sha256(canonical_request(whole, scope.service)));
  const std::string signature = to_hex(hmac_sha256(signing_key(scope, day, credentials), text));
  whole.headers.emplace_back("authorization", fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                                                          credentials.access_key, place, signed_names(whole.headers), signature));
  return whole.headers;
}

}  // namespace imgbuild
