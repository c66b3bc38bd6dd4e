#include "build/provenance.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "build/sbom.h"

namespace imgbuild {
namespace {

using Json = nlohmann::ordered_json;

Json digest_set(const std::string& sha256) { return {{"sha256", sha256}}; }

Json subjects(const Manifest& manifest) {
  Json list = Json::array();
  for (const auto* files : {&manifest.artifacts, &manifest.documents}) {
    for (const ManifestArtifact& file : *files) list.push_back({{"name", file.file}, {"digest", digest_set(file.sha256)}});
  }
  return list;
}

/// Everything that came from outside. The digest of a base or step is imgbuild's own, over all it consists of.
Json dependencies(const Manifest& manifest) {
  Json list = Json::array();
  const std::string& base = manifest.base.at("name");
  list.push_back({{"name", "base " + base}, {"digest", digest_set(manifest.base.at("digest"))}, {"annotations", manifest.base}});
  for (const auto& [text, digest] : manifest.steps) list.push_back({{"name", "step " + text}, {"digest", digest_set(digest)}});
  for (const ManifestPayload& payload : manifest.payloads) {
    list.push_back({{"name", "payload " + payload.name}, {"digest", digest_set(payload.sha256)}});
  }
  for (const ManifestPackage& package : manifest.packages) {
    Json one = {{"uri", package_url(manifest, package)}};
    if (!package.sha256.empty()) one["digest"] = digest_set(package.sha256);
    list.push_back(one);
  }
  return list;
}

Json formats(const Manifest& manifest) {
  Json list = Json::array();
  for (const ManifestArtifact& artifact : manifest.artifacts) list.push_back(artifact.format);
  return list;
}

}  // namespace

std::string provenance_statement(const Manifest& manifest) {
  const Json definition = {{"buildType", "urn:imgbuild:recipe:1"},
                           {"externalParameters", {{"role", manifest.role}, {"base", manifest.base.at("name")}, {"formats", formats(manifest)}}},
                           {"internalParameters", {{"plan", manifest.plan}, {"epoch", manifest.epoch}}},
                           {"resolvedDependencies", dependencies(manifest)}};
  const Json builder = {{"id", "urn:imgbuild:builder:1"}, {"version", {{"imgbuild", manifest.imgbuild}}}};
  const Json statement = {{"_type", "https://in-toto.io/Statement/v1"},
                          {"subject", subjects(manifest)},
                          {"predicateType", "https://slsa.dev/provenance/v1"},
                          {"predicate", {{"buildDefinition", definition}, {"runDetails", {{"builder", builder}}}}}};
  return statement.dump();
}

std::string dsse_encoding(std::string_view type, std::string_view body) {
  return fmt::format("DSSEv1 {} {} {} {}", type.size(), type, body.size(), body);
}

}  // namespace imgbuild
