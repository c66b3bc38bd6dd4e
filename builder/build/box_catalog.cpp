#include "build/box_catalog.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kBox = "box-";  // what names of such formats begin with; their provider follows

std::string file_url(const fs::path& path) {
  const std::string plain = fs::absolute(path).lexically_normal().native();
  std::string url = "file://";
  for (const char c : plain) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("/-._~").find(c) != std::string_view::npos;
    if (is_plain) url += c;
    else url += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return url;
}

Json providers_of(const BoxCatalog& catalog, const Manifest& manifest) {
  Json providers = Json::array();
  for (const ManifestArtifact& artifact : manifest.artifacts) {
    if (!artifact.format.starts_with(kBox)) continue;
    const auto architecture = manifest.base.find("architecture");
    providers.push_back({{"name", artifact.format.substr(kBox.size())},
                         {"url", file_url(catalog.folder / artifact.file)},
                         {"checksum_type", "sha256"},
                         {"checksum", artifact.sha256},
                         {"architecture", architecture == manifest.base.end() ? "unknown" : architecture->second},
                         {"default_architecture", true}});
  }
  return providers;
}

/// The number of the catalog that is there, or the next one if its boxes were others; 1 if we could not have written it.
unsigned long number_of_version(const fs::path& catalog, const Json& providers) {
  if (!fs::is_regular_file(fs::symlink_status(catalog))) return 1;
  try {
    const Json old = Json::parse(io::read_file(catalog)).at("versions").at(0);
    const unsigned long number = std::strtoul(old.at("version").get<std::string>().c_str(), nullptr, 10);
    return old.at("providers") == providers ? std::max(number, 1UL) : number + 1;
  } catch (const Json::exception&) {
    return 1;
  }
}

}  // namespace

std::optional<fs::path> write_box_catalog(const BoxCatalog& catalog, const Manifest& manifest) {
  const Json providers = providers_of(catalog, manifest);
  if (providers.empty()) return std::nullopt;
  const fs::path path = catalog.folder / (manifest.role + ".box.json");
  const Json version = {{"version", fmt::format("{}.0.0", number_of_version(path, providers))}, {"providers", providers}};
  const Json json = {{"name", catalog.deployment + "/" + manifest.role}, {"description", catalog.description}, {"versions", Json::array({version})}};
  io::write_file(path, json.dump(2) + "\n", 0644);
  return path;
}

}  // namespace imgbuild
