#include "build/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string to_json(const Manifest& manifest) {
  Json steps = Json::array();
  for (const auto& [text, digest] : manifest.steps) steps.push_back({{"step", text}, {"digest", digest}});
  Json packages = Json::array();
  for (const ManifestPackage& package : manifest.packages) {
    packages.push_back({{"name", package.name}, {"version", package.version}, {"architecture", package.architecture}});
  }
  Json artifacts = Json::array();
  for (const ManifestArtifact& artifact : manifest.artifacts) {
    artifacts.push_back({{"file", artifact.file}, {"format", artifact.format}, {"sha256", artifact.sha256}, {"size", artifact.size}});
  }
  const Json json = {{"version", 1},           {"imgbuild", IMGBUILD_VERSION}, {"role", manifest.role},
                     {"roles", manifest.roles}, {"plan", manifest.plan},        {"disk", manifest.disk},
                     {"base", manifest.base},   {"steps", steps},               {"packages", packages},
                     {"artifacts", artifacts}};
  return json.dump(2) + "\n";
}

namespace {

Manifest from_json(const Json& json) {
  Manifest manifest;
  manifest.role = json.at("role");
  manifest.roles = json.at("roles");
  manifest.plan = json.at("plan");
  manifest.disk = json.at("disk");
  manifest.base = json.at("base").get<std::map<std::string, std::string>>();
  for (const Json& step : json.at("steps")) manifest.steps.emplace_back(step.at("step"), step.at("digest"));
  for (const Json& package : json.at("packages")) {
    manifest.packages.push_back({.name = package.at("name"), .version = package.at("version"), .architecture = package.at("architecture")});
  }
  for (const Json& artifact : json.at("artifacts")) {
    manifest.artifacts.push_back({.file = artifact.at("file"), .format = artifact.at("format"),
                                  .sha256 = artifact.at("sha256"), .size = artifact.at("size")});
  }
  return manifest;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos;
}

}  // namespace

std::optional<Manifest> find_manifest(const fs::path& path) {
  if (!fs::is_regular_file(fs::symlink_status(path))) return std::nullopt;
  try {
    const Json json = Json::parse(io::read_file(path));
    if (json.at("version") != 1) return std::nullopt;
    return from_json(json);
  } catch (const Json::exception&) {
    return std::nullopt;  // somebody else's or a damaged one: the image is built anew
  }
}

bool artifacts_are_intact(const Manifest& manifest, const fs::path& folder) {
  return std::ranges::all_of(manifest.artifacts, [&](const ManifestArtifact& artifact) {
    const fs::path path = folder / artifact.file;
    return is_plain_name(artifact.file) && fs::is_regular_file(fs::symlink_status(path)) &&
           fs::file_size(path) == artifact.size && sha256_file(path) == artifact.sha256;
  });
}

}  // namespace imgbuild
