#include "peers/answers.h"

#include "peers/strict_json.h"
#include "recipe/text_rules.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/problems.h"

namespace imgbuild {
namespace {

using nlohmann::json;

constexpr ByteSize kMaxAnswer = 256_KiB;

/// Throws unless 'value' is of the kind that 'is_right' looks for.
const json& field(const json& object, const char* key, const std::string& where, bool (json::*is_right)() const noexcept,
                  const char* kind) {
  if (!object.is_object()) throw Error(ExitCode::bad_input, "{}: must be an object, is {}", where, json_kind(object));
  const auto found = object.find(key);
  if (found == object.end()) throw Error(ExitCode::bad_input, "{}: key '{}' is missing", where, key);
  if (!((*found).*is_right)()) {
    throw Error(ExitCode::bad_input, "{}: {}: must be {}, is {}", where, key, kind, json_kind(*found));
  }
  return *found;
}

std::string text(const json& object, const char* key, const std::string& where) {
  return field(object, key, where, &json::is_string, "text").get<std::string>();
}

std::string host_name(const json& object, const char* key, const std::string& where) {
  const std::string name = text(object, key, where);
  if (rules::kHostName.canonical(name)) return name;
  throw Error(ExitCode::bad_input, "{}: {}: must be {}, is {}", where, key, rules::kHostName.must_be, shown(name));
}

}  // namespace

std::map<std::string, std::string> read_installed(std::string_view answer, const std::string& origin) {
  const json list = read_strict_json(answer, origin, kMaxAnswer);
  if (!list.is_array()) throw Error(ExitCode::bad_input, "{}: must be a list, is {}", origin, json_kind(list));
  std::map<std::string, std::string> installed;
  for (const json& item : list) {
    const std::string where = fmt::format("{}: peer {}", origin, installed.size() + 1);
    const std::string name = host_name(item, "hostname", where);
    const std::string fingerprint = text(item, "fingerprint", where);
    if (!is_sha256(fingerprint)) {
      throw Error(ExitCode::bad_input, "{}: fingerprint: must be {}, is {}", where, rules::kSha256.must_be, shown(fingerprint));
    }
    if (!installed.emplace(name, fingerprint).second) {
      throw Error(ExitCode::bad_input, "{}: '{}' is there twice", where, name);
    }
  }
  return installed;
}

std::vector<ProvenLink> read_proof(std::string_view answer, const std::string& origin) {
  const json object = read_strict_json(answer, origin, kMaxAnswer);
  const json& list = field(object, "links", origin, &json::is_array, "a list");
  std::vector<ProvenLink> links;
  for (const json& item : list) {
    const std::string where = fmt::format("{}: link {}", origin, links.size() + 1);
    ProvenLink link = {.peer = host_name(item, "peer", where), .seen_as = {}, .problem = {}};
    const auto port = field(item, "port", where, &json::is_number_unsigned, "a number").get<std::uint64_t>();
    if (port < 1 || port > 65535) throw Error(ExitCode::bad_input, "{}: port: must be 1 to 65535, is {}", where, port);
    link.port = static_cast<unsigned>(port);
    if (field(item, "ok", where, &json::is_boolean, "true or false").get<bool>()) link.ok = ProvenLink::Ok::yes;
    link.seen_as = harmless(text(item, "seen_as", where));
    link.problem = harmless(text(item, "problem", where));
    links.push_back(std::move(link));
  }
  return links;
}

}  // namespace imgbuild
