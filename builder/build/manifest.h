#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "util/disk_layout.h"

namespace imgbuild {

/// A package in the image.
struct ManifestPackage {
  std::string name;
  std::string version;
  std::string architecture;
  std::string sha256 = {};  ///< of the package file; empty for those of the base that no step replaced
};

/// A payload of the recipe.
struct ManifestPayload {
  std::string name;
  std::string sha256;
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
///   { "version": 2, "imgbuild": "0.1.0", "role": …, "roles": […], "plan": DIGEST, "epoch": SECONDS, "disk": BYTES,
///     "base": {"name", "digest", "distribution", "release", "architecture", …origin},
///     "recipe": DIGEST, "steps": [{"step": TEXT, "digest": DIGEST}…], "payloads": [{"name", "sha256"}…],
///     "packages": [{"name", "version", "architecture", "sha256"}…],
///     "layout": {"disk_guid", "partitions"}, "boot": {"code": DIGEST, "14": DIGEST, …},
///     "artifacts": [{"file", "format", "sha256", "size"}…],
///     "documents": [the same] }
struct Manifest {
  std::string imgbuild = IMGBUILD_VERSION;   ///< release that made it
  std::string role;
  std::vector<std::string> roles;
  std::string plan;                          ///< digest
  std::int64_t epoch = 0;                    ///< no file of the image is newer; seconds since 1970
  std::uint64_t disk = 0;                    ///< virtual size, bytes
  std::map<std::string, std::string> base;   ///< name, digest, distribution, release, architecture, origin…
  std::string recipe;                        ///< digest of what the recipe says: disk, seed, steps and all they read
  std::vector<std::pair<std::string, std::string>> steps;  ///< text, digest
  std::vector<ManifestPayload> payloads;     ///< in the order of the steps
  std::vector<ManifestPackage> packages;     ///< sorted by name
  DiskLayout layout;                         ///< of the disk
  std::map<std::string, std::string> boot;   ///< what boot_digests gives
  std::vector<ManifestArtifact> artifacts;   ///< in the order asked for
  std::vector<ManifestArtifact> documents;   ///< about the image: list of files, SBOMs (build/documents.h)
};

[[nodiscard]] std::string to_json(const Manifest& manifest);

/// The manifest at 'path', or nothing if there is none or it is none of ours. Only a hint of what is there: artifacts
/// must be checked against their digests before they count.
[[nodiscard]] std::optional<Manifest> find_manifest(const std::filesystem::path& path);

/// The same of text given by a person. Throws Error (bad input) with the place if it is none.
[[nodiscard]] Manifest parse_manifest(const std::string& text, const std::string& origin);

/// True if every artifact and document is in 'folder' with its size and digest.
[[nodiscard]] bool artifacts_are_intact(const Manifest& manifest, const std::filesystem::path& folder);

/// The same of one file.
[[nodiscard]] bool is_intact(const ManifestArtifact& artifact, const std::filesystem::path& folder);

}  // namespace imgbuild
