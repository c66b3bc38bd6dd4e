#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace imgbuild {

/// A package in the image.
struct ManifestPackage {
  std::string name;
  std::string version;
  std::string architecture;
};

/// A file handed out.
struct ManifestArtifact {
  std::string file;    ///< name in the folder of the manifest
  std::string format;
  std::string sha256;
  std::uint64_t size = 0;  ///< bytes of the file
};

/// What an image was made of. Holds no secret, no name of a deployment or machine, no time and no path of the build host.
///
///   { "version": 1, "imgbuild": "0.1.0", "role": …, "roles": […], "plan": DIGEST, "disk": BYTES,
///     "base": {"name", "digest", "distribution", "release", "architecture", …origin},
///     "steps": [{"step": TEXT, "digest": DIGEST}…],
///     "packages": [{"name", "version", "architecture"}…],
///     "artifacts": [{"file", "format", "sha256", "size"}…] }
struct Manifest {
  std::string role;
  std::vector<std::string> roles;
  std::string plan;                          ///< digest
  std::uint64_t disk = 0;                    ///< virtual size, bytes
  std::map<std::string, std::string> base;   ///< name, digest, distribution, release, architecture, origin…
  std::vector<std::pair<std::string, std::string>> steps;  ///< text, digest
  std::vector<ManifestPackage> packages;     ///< sorted by name
  std::vector<ManifestArtifact> artifacts;   ///< in the order asked for
};

[[nodiscard]] std::string to_json(const Manifest& manifest);

/// The manifest at 'path', or nothing if there is none or it is none of ours. Only a hint of what is there: artifacts
/// must be checked against their digests before they count.
[[nodiscard]] std::optional<Manifest> find_manifest(const std::filesystem::path& path);

/// True if every artifact is in 'folder' with its size and digest.
[[nodiscard]] bool artifacts_are_intact(const Manifest& manifest, const std::filesystem::path& folder);

}  // namespace imgbuild
