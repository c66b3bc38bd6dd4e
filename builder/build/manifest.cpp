#include "build/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/json_place.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr int kVersion = 2;

Json list_of(const std::vector<ManifestArtifact>& artifacts) {
  Json list = Json::array();
  for (const ManifestArtifact& artifact : artifacts) {
    list.push_back({{"file", artifact.file}, {"format", artifact.format}, {"sha256", artifact.sha256}, {"size", artifact.size}});
  }
  return list;
}

Json list_of(const std::vector<ManifestPackage>& packages) {
  Json list = Json::array();
  for (const ManifestPackage& package : packages) {
    Json one = {{"name", package.name}, {"version", package.version}, {"architecture", package.architecture}};
    if (!package.sha256.empty()) one["sha256"] = package.sha256;
    list.push_back(one);
  }
  return list;
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  Json steps = Json::array();
  for (const auto& [text, digest] : manifest.steps) steps.push_back({{"step", text}, {"digest", digest}});
  Json payloads = Json::array();
  for (const ManifestPayload& payload : manifest.payloads) payloads.push_back({{"name", payload.name}, {"sha256", payload.sha256}});
  const Json json = {{"version", kVersion},
                     {"imgbuild", manifest.imgbuild},
                     {"role", manifest.role},
                     {"roles", manifest.roles},
                     {"plan", manifest.plan},
                     {"epoch", manifest.epoch},
                     {"disk", manifest.disk},
                     {"base", manifest.base},
                     {"recipe", manifest.recipe},
                     {"steps", steps},
                     {"payloads", payloads},
                     {"packages", list_of(manifest.packages)},
                     {"layout", Json::parse(to_json(manifest.layout))},
                     {"boot", manifest.boot},
                     {"artifacts", list_of(manifest.artifacts)},
                     {"documents", list_of(manifest.documents)}};
  return json.dump(2) + "\n";
}

namespace {

std::vector<ManifestArtifact> artifacts_from(const Json& list) {
  std::vector<ManifestArtifact> artifacts;
  for (const Json& one : list) {
    artifacts.push_back({.file = one.at("file"), .format = one.at("format"), .sha256 = one.at("sha256"), .size = one.at("size")});
  }
  return artifacts;
}

Manifest from_json(const Json& json) {
  Manifest manifest;
  manifest.imgbuild = json.at("imgbuild");
  manifest.role = json.at("role");
  manifest.roles = json.at("roles").get<std::vector<std::string>>();
  manifest.plan = json.at("plan");
  manifest.epoch = json.at("epoch");
  manifest.disk = json.at("disk");
  manifest.base = json.at("base").get<std::map<std::string, std::string>>();
  manifest.recipe = json.at("recipe");
  for (const Json& step : json.at("steps")) manifest.steps.emplace_back(step.at("step"), step.at("digest"));
  for (const Json& payload : json.at("payloads")) manifest.payloads.push_back({.name = payload.at("name"), .sha256 = payload.at("sha256")});
  for (const Json& package : json.at("packages")) {
    manifest.packages.push_back({.name = package.at("name"), .version = package.at("version"), .architecture = package.at("architecture"),
                                 .sha256 = package.value("sha256", std::string())});
  }
  manifest.layout = disk_layout_from_json(json.at("layout").dump(), "layout");
  manifest.boot = json.at("boot").get<std::map<std::string, std::string>>();
  manifest.artifacts = artifacts_from(json.at("artifacts"));
  manifest.documents = artifacts_from(json.at("documents"));
  return manifest;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos;
}

/// What others go on to use: names of files, which they open, and those facts of the base that each has.
void check(const Manifest& manifest, const std::string& origin) {
  for (const char* key : {"name", "digest"}) {
    if (!manifest.base.contains(key)) throw Error(ExitCode::bad_input, "{}: is no manifest of imgbuild: its base has no '{}'", origin, key);
  }
  for (const auto* list : {&manifest.artifacts, &manifest.documents}) {
    for (const ManifestArtifact& artifact : *list) {
      if (!is_plain_name(artifact.file)) throw Error(ExitCode::bad_input, "{}: '{}' is no name of a file beside it", origin, artifact.file);
    }
  }
}

}  // namespace

Manifest parse_manifest(const std::string& text, const std::string& origin) {
  const Json json = parse_json(text, origin);
  try {
    if (json.at("version") != kVersion) {
      throw Error(ExitCode::bad_input, "{}: is a manifest of version {}, this imgbuild reads version {}", origin, json.at("version").dump(), kVersion)
          .set_hint("build the image again, or use the imgbuild that built it");
    }
    Manifest manifest = from_json(json);
    check(manifest, origin);
    return manifest;
  } catch (const Json::exception& error) {
    throw Error(ExitCode::bad_input, "{}: is no manifest of imgbuild: {}", origin, reason_of(error));
  }
}

std::optional<Manifest> find_manifest(const fs::path& path) {
  if (!fs::is_regular_file(fs::symlink_status(path))) return std::nullopt;
  try {
    return parse_manifest(io::read_file(path), path.native());
  } catch (const Error&) {
    return std::nullopt;  // somebody else's or a damaged one: the image is built anew
  }
}

bool is_intact(const ManifestArtifact& artifact, const fs::path& folder) {
  const fs::path path = folder / artifact.file;
  return is_plain_name(artifact.file) && fs::is_regular_file(fs::symlink_status(path)) && fs::file_size(path) == artifact.size &&
         sha256_file(path) == artifact.sha256;
}

bool artifacts_are_intact(const Manifest& manifest, const fs::path& folder) {
  const auto is_here = [&](const ManifestArtifact& artifact) { return is_intact(artifact, folder); };
  return std::ranges::all_of(manifest.documents, is_here) && std::ranges::all_of(manifest.artifacts, is_here);
}

}  // namespace imgbuild
