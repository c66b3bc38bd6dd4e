#include "peers/package.h"

#include <nlohmann/json.hpp>

#include "keys/peer_certificate.h"
#include "peers/strict_json.h"
#include "recipe/address.h"
#include "recipe/text_rules.h"
#include "util/error.h"
#include "util/problems.h"
#include "util/suggest.h"

namespace imgbuild {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxCertificate = 10'000;  // bytes, as the predecessors' tool
constexpr std::size_t kMaxText = 100;
constexpr unsigned kMaxPort = 65535;
constexpr unsigned kMaxVersion = 9999;

/// Reads the fields of one package; a problem names its origin.
class PackageReader {
 public:
  PackageReader(const json& object, const std::string& origin) : object_(object), origin_(origin) {}

  [[nodiscard]] std::string text(const char* key, std::size_t limit) const {
    const auto found = object_.find(key);
    if (found == object_.end()) throw Error(ExitCode::bad_input, "{}: key '{}' is missing", origin_, key);
    if (!found->is_string()) throw Error(ExitCode::bad_input, "{}: {}: must be text, is {}", origin_, key, json_kind(*found));
    const auto& value = found->get_ref<const std::string&>();
    if (value.size() < limit) return value;
    throw Error(ExitCode::bad_input, "{}: {}: must be shorter than {} bytes, has {}", origin_, key, limit, value.size());
  }

  [[nodiscard]] std::string text(const char* key, const yaml::TextRule& rule) const {
    const std::string value = text(key, kMaxText);
    if (const std::optional<std::string> canonical = rule.canonical(value)) return *canonical;
    throw Error(ExitCode::bad_input, "{}: {}: must be {}, is {}", origin_, key, rule.must_be, shown(value));
  }

  [[nodiscard]] std::optional<unsigned> number(const char* key, unsigned most) const {
    const auto found = object_.find(key);
    if (found == object_.end()) return std::nullopt;
    if (found->is_number_unsigned()) {
      const auto value = found->get<std::uint64_t>();
      if (value >= 1 && value <= most) return static_cast<unsigned>(value);
    }
    throw Error(ExitCode::bad_input, "{}: {}: must be a number from 1 to {}, is {}", origin_, key, most,
                found->is_number() ? shown(found->dump()) : json_kind(*found));
  }

 private:
  const json& object_;
  const std::string& origin_;
};

/// The machine that the package is of.
const Machine& check_name(const PeerPackage& package, const PackageUse& use) {
  if (!use.machine.empty() && package.hostname != use.machine) {
    throw Error(ExitCode::bad_input, "{}: hostname: must be '{}', is '{}'", use.origin, use.machine, package.hostname);
  }
  if (const Machine* machine = find_machine(use.environment, package.hostname)) return *machine;
  std::vector<std::string> names;
  for (const Machine& machine : use.environment.machines) names.push_back(machine.name);
  throw Error(ExitCode::bad_input, "{}: hostname: there is no machine '{}' in '{}'{}", use.origin, package.hostname,
              use.environment.file.native(), did_you_mean(package.hostname, names));
}

void check_address(const PeerPackage& package, const Machine& machine, const PackageUse& use) {
  if (package.ip_address == machine.private_ip || package.ip_address == machine.public_ip) return;
  const std::string other = machine.public_ip.empty() ? "" : fmt::format(" or '{}'", machine.public_ip);
  throw Error(ExitCode::bad_input, "{}: ip_address: must be '{}'{}, is '{}'", use.origin, machine.private_ip, other,
              package.ip_address);
}

}  // namespace

PeerPackage read_package(std::string_view text, const PackageUse& use) {
  const json object = read_strict_json(text, use.origin, kMaxPackage);
  if (!object.is_object()) {
    throw Error(ExitCode::bad_input, "{}: must be one JSON object, is {}", use.origin, json_kind(object));
  }
  const PackageReader reader(object, use.origin);
  PeerPackage package;
  package.hostname = reader.text("hostname", rules::kHostName);
  package.ip_address = reader.text("ip_address", rules::kHostIp);
  package.certificate = reader.text("ssl_certificate", kMaxCertificate);
  package.port = reader.number("port", kMaxPort);
  package.version = reader.number("version", kMaxVersion);
  const Machine& machine = check_name(package, use);
  check_address(package, machine, use);
  package.facts = check_peer_certificate(
      package.certificate, {.origin = use.origin + ": ssl_certificate", .name = machine.name, .now = use.now});
  return package;
}

std::string package_line(const PeerPackage& package) {
  nlohmann::ordered_json object = {{"ssl_certificate", package.certificate},
                                   {"ip_address", package.ip_address},
                                   {"hostname", package.hostname}};
  if (package.port) object["port"] = *package.port;
  if (package.version) object["version"] = *package.version;
  return object.dump();
}

}  // namespace imgbuild
