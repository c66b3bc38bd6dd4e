#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace imgbuild {

/// Told how many bytes of how many have passed.
using BytesProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct ExtractOptions {
  std::string expected_sha256 = {};  ///< of the whole file; empty: any
  BytesProgress progress = {};       ///< may be empty
};

/// Unpacks a tar (plain or zstd) into 'folder', which is made and must not exist or be empty, and returns the file's
/// SHA-256. Owners are numeric; modes with setuid, times in whole seconds, hard links, tree attributes
/// (is_tree_attribute) are kept. Devices, FIFOs and sockets are left out below dev/ and run/ and are an error elsewhere.
/// Nothing is written outside the folder whatever names and links the archive holds. Needs to be root, or root of a user
/// namespace, if owners differ from ours.
/// Throws Error (verification failed) on another digest, Error (bad input) on anything unusual in the archive; what was
/// unpacked is gone then. Throws Interrupted, likewise.
std::string extract_tree(const std::filesystem::path& tar, const std::filesystem::path& folder,
                         const ExtractOptions& options = {});

/// Writes the tree below 'folder' into 'tar' (mode 0644, appears complete or not at all) and returns its SHA-256. The same
/// tree gives the same bytes: pax, paths "./…" sorted by bytes, numeric owners, whole seconds, sorted attributes; of
/// hard-linked names the first holds the content. Devices, FIFOs and sockets as with extract_tree.
std::string archive_tree(const std::filesystem::path& folder, const std::filesystem::path& tar,
                         const BytesProgress& progress = {});

}  // namespace imgbuild
