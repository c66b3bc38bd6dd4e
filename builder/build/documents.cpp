#include "build/documents.h"

#include <algorithm>

#include "build/sbom.h"
#include "tree/mtree.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/zstd.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

const std::string kFileList = "mtree.zst";

void write(Manifest& manifest, const std::string& format, const std::string& bytes, const fs::path& folder) {
  ManifestArtifact document{.file = "", .format = format, .sha256 = sha256(bytes), .size = bytes.size()};
  document.file = document_name(manifest.role, document);
  io::write_file(folder / document.file, bytes, 0644);
  manifest.documents.push_back(std::move(document));
}

}  // namespace

std::string document_name(const std::string& role, const ManifestArtifact& document) { return role + "." + document.format; }

void write_documents(Manifest& manifest, const std::vector<TreeRecord>& files, const fs::path& folder) {
  write(manifest, kFileList, compress_zstd(to_mtree(files)), folder);
  write(manifest, "spdx.json", to_spdx(manifest), folder);
  write(manifest, "cdx.json", to_cyclonedx(manifest), folder);
}

std::vector<TreeRecord> read_file_list(const Manifest& manifest, const fs::path& folder) {
  const auto document = std::ranges::find(manifest.documents, kFileList, &ManifestArtifact::format);
  if (document == manifest.documents.end()) throw Error(ExitCode::bad_input, "the manifest of '{}' names no list of files", manifest.role);
  const fs::path path = folder / document->file;
  if (!fs::exists(path)) {
    throw Error(ExitCode::verification_failed, "'{}': the manifest's list of files is not there", path.native())
        .set_hint("it was made with the image: keep both beside the manifest");
  }
  const std::string bytes = io::read_file(path, 1_GiB);
  const std::string digest = sha256(bytes);
  if (digest != document->sha256) {
    throw Error(ExitCode::verification_failed, "'{}': has SHA-256 {}, the manifest says {}", path.native(), digest, document->sha256);
  }
  return parse_mtree(decompress_zstd(bytes, path.native(), 4_GiB), path.native());
}

}  // namespace imgbuild
