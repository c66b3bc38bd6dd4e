#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "build/manifest.h"
#include "tree/tree_listing.h"

namespace imgbuild {

/// What stands beside the artifacts of an image and tells of it:
///
///   ROLE.mtree.zst   every file of the image: owner, mode, time, attributes, digest (tree/mtree.h)
///   ROLE.spdx.json, ROLE.cdx.json   SBOMs (build/sbom.h)
///
/// Writes them into 'folder', synced, and notes them in the manifest, which knows everything else by now.
void write_documents(Manifest& manifest, const std::vector<TreeRecord>& files, const std::filesystem::path& folder);

/// "web-master.spdx.json".
[[nodiscard]] std::string document_name(const std::string& role, const ManifestArtifact& document);

/// The list of files beside a manifest in 'folder'. Throws Error (verification failed) if it is missing or is not the manifest's.
[[nodiscard]] std::vector<TreeRecord> read_file_list(const Manifest& manifest, const std::filesystem::path& folder);

}  // namespace imgbuild
