#include "build/sbom.h"

#include <fmt/chrono.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "util/digest.h"

namespace imgbuild {
namespace {

using Json = nlohmann::ordered_json;

/// All but unreserved characters (RFC 3986, 2.3) and ':' as %XX.
std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool is_letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (is_letter_or_digit || std::string_view("-._~:").find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string of_base(const Manifest& manifest, const std::string& key) {
  const auto found = manifest.base.find(key);
  return found == manifest.base.end() ? "unknown" : found->second;
}

std::string files_digest(const Manifest& manifest) {
  for (const ManifestArtifact& document : manifest.documents) {
    if (document.format == "mtree.zst") return document.sha256;
  }
  return "";
}

std::string image_name(const Manifest& manifest) { return fmt::format("{}", fmt::join(manifest.roles, "+")); }

/// A UUID of version 8 (RFC 9562: made as one likes), the same for the same image.
std::string uuid_of(const Manifest& manifest) {
  Sha256 hash;
  for (const std::string& field : {std::string("imgbuild sbom 1"), manifest.plan, files_digest(manifest)}) hash.update_field(field);
  for (const ManifestPackage& package : manifest.packages) hash.update_field(package.name + package.version + package.architecture + package.sha256);
  const std::string digits = hash.hex();
  return fmt::format("{}-{}-8{}-8{}-{}", digits.substr(0, 8), digits.substr(8, 4), digits.substr(12, 3), digits.substr(15, 3), digits.substr(18, 12));
}

std::string time_of(const Manifest& manifest) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(manifest.epoch)));
}

// SPDX: https://spdx.github.io/spdx-spec/v2.3/

/// Letters, digits, '.' and '-' are all an identifier may hold.
std::string spdx_id(std::string_view kind, std::string_view name) {
  std::string id = fmt::format("SPDXRef-{}-", kind);
  for (const char c : name) {
    const bool is_allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    id += is_allowed ? std::string(1, c) : fmt::format(".{:02x}.", static_cast<unsigned char>(c));
  }
  return id;
}

Json spdx_package(const std::string& id, const std::string& name, const std::string& version, const char* purpose) {
  Json package = {{"SPDXID", id}, {"name", name}};
  if (!version.empty()) package["versionInfo"] = version;
  package["downloadLocation"] = "NOASSERTION";
  package["filesAnalyzed"] = false;
  package["primaryPackagePurpose"] = purpose;
  return package;
}

void add_checksum(Json& package, const std::string& sha256) {
  if (!sha256.empty()) package["checksums"] = Json::array({{{"algorithm", "SHA256"}, {"checksumValue", sha256}}});
}

Json spdx_packages(const Manifest& manifest) {
  Json image = spdx_package("SPDXRef-image", image_name(manifest), manifest.plan.substr(0, 16), "OPERATING-SYSTEM");
  image["comment"] = fmt::format("plan {}; SHA-256 of the list of all files: {}", manifest.plan, files_digest(manifest));
  Json packages = Json::array({image});
  for (const ManifestPackage& package : manifest.packages) {
    Json one = spdx_package(spdx_id("deb", package.name + "-" + package.architecture), package.name, package.version, "INSTALL");
    add_checksum(one, package.sha256);
    one["externalRefs"] = Json::array({{{"referenceCategory", "PACKAGE-MANAGER"}, {"referenceType", "purl"},
                                        {"referenceLocator", package_url(manifest, package)}}});
    packages.push_back(one);
  }
  for (const ManifestPayload& payload : manifest.payloads) {
    Json one = spdx_package(spdx_id("payload", payload.name), payload.name, "", "FILE");
    add_checksum(one, payload.sha256);
    packages.push_back(one);
  }
  return packages;
}

Json spdx_relationships(const Json& packages) {
  Json list = Json::array({{{"spdxElementId", "SPDXRef-DOCUMENT"}, {"relationshipType", "DESCRIBES"}, {"relatedSpdxElement", "SPDXRef-image"}}});
  for (std::size_t i = 1; i < packages.size(); ++i) {
    list.push_back({{"spdxElementId", "SPDXRef-image"}, {"relationshipType", "CONTAINS"}, {"relatedSpdxElement", packages[i].at("SPDXID")}});
  }
  return list;
}

// CycloneDX: https://cyclonedx.org/docs/1.5/json/

Json cyclonedx_component(const char* type, const std::string& reference, const std::string& name, const std::string& version) {
  Json component = {{"type", type}, {"bom-ref", reference}, {"name", name}};
  if (!version.empty()) component["version"] = version;
  return component;
}

void add_hash(Json& component, const std::string& sha256) {
  if (!sha256.empty()) component["hashes"] = Json::array({{{"alg", "SHA-256"}, {"content", sha256}}});
}

Json cyclonedx_components(const Manifest& manifest) {
  Json components = Json::array();
  for (const ManifestPackage& package : manifest.packages) {
    const std::string url = package_url(manifest, package);
    Json one = cyclonedx_component("library", url, package.name, package.version);
    add_hash(one, package.sha256);
    one["purl"] = url;
    components.push_back(one);
  }
  for (const ManifestPayload& payload : manifest.payloads) {
    Json one = cyclonedx_component("file", "payload/" + payload.name, payload.name, "");
    add_hash(one, payload.sha256);
    components.push_back(one);
  }
  return components;
}

}  // namespace

std::string package_url(const Manifest& manifest, const ManifestPackage& package) {
  const std::string distribution = of_base(manifest, "distribution");
  return fmt::format("pkg:deb/{}/{}@{}?arch={}&distro={}-{}", percent_encoded(distribution), percent_encoded(package.name),
                     percent_encoded(package.version), percent_encoded(package.architecture), percent_encoded(distribution),
                     percent_encoded(of_base(manifest, "release")));
}

std::string to_spdx(const Manifest& manifest) {
  const Json packages = spdx_packages(manifest);
  const Json document = {{"spdxVersion", "SPDX-2.3"},
                         {"dataLicense", "CC0-1.0"},
                         {"SPDXID", "SPDXRef-DOCUMENT"},
                         {"name", image_name(manifest)},
                         {"documentNamespace", "urn:uuid:" + uuid_of(manifest)},
                         {"creationInfo", {{"created", time_of(manifest)}, {"creators", {"Tool: imgbuild-" + manifest.imgbuild}}}},
                         {"documentDescribes", {"SPDXRef-image"}},
                         {"packages", packages},
                         {"relationships", spdx_relationships(packages)}};
  return document.dump(1) + "\n";
}

std::string to_cyclonedx(const Manifest& manifest) {
  Json image = cyclonedx_component("operating-system", "image", image_name(manifest), manifest.plan.substr(0, 16));
  image["properties"] = Json::array({{{"name", "imgbuild:plan"}, {"value", manifest.plan}}, {{"name", "imgbuild:files"}, {"value", files_digest(manifest)}}});
  const Json tool = {{"type", "application"}, {"name", "imgbuild"}, {"version", manifest.imgbuild}};
  const Json document = {{"bomFormat", "CycloneDX"},
                         {"specVersion", "1.5"},
                         {"serialNumber", "urn:uuid:" + uuid_of(manifest)},
                         {"version", 1},
                         {"metadata", {{"timestamp", time_of(manifest)}, {"tools", {{"components", Json::array({tool})}}}, {"component", image}}},
                         {"components", cyclonedx_components(manifest)}};
  return document.dump(1) + "\n";
}

}  // namespace imgbuild
