#include "build/signatures.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "build/manifest.h"
#include "build/outputs.h"
#include "build/provenance.h"
#include "util/base64.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/json_place.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

struct Signature {
  std::string key_id;
  std::string bytes;
};

/// One of the two files.
struct Signed {
  fs::path path;
  std::string content;                 ///< what the signatures are over
  std::vector<Signature> signatures;
};

std::vector<Signature> signatures_from(const Json& list, const fs::path& path) {
  std::vector<Signature> signatures;
  for (const Json& one : list) {
    const std::optional<std::string> bytes = from_base64(one.at("sig").get<std::string>());
    if (!bytes) throw Error(ExitCode::bad_input, "'{}': signature {} is no base64", path.native(), signatures.size() + 1);
    signatures.push_back({.key_id = one.at("keyid"), .bytes = *bytes});
  }
  return signatures;
}

Json to_json(const std::vector<Signature>& signatures) {
  Json list = Json::array();
  for (const Signature& signature : signatures) list.push_back({{"keyid", signature.key_id}, {"sig", to_base64(signature.bytes)}});
  return list;
}

/// Calls 'read' with the file's JSON.
template <typename Read>
void read_json(const fs::path& path, const char* kind, const Read& read) {
  const Json json = parse_json(io::read_file(path, 64_MiB), path.native());
  try {
    read(json);
  } catch (const Json::exception& error) {
    throw Error(ExitCode::bad_input, "'{}': is no {}: {}", path.native(), kind, reason_of(error));
  }
}

/// The signatures of the manifest; those of another one are none of it.
Signed read_signatures(const fs::path& manifest, const std::string& text) {
  Signed file{.path = signatures_path(manifest), .content = text, .signatures = {}};
  read_json(file.path, "file of signatures", [&](const Json& json) {
    const std::string digest = sha256(text);
    if (json.at("sha256") != digest) {
      throw Error(ExitCode::verification_failed, "'{}': signs another manifest, with SHA-256 {}; '{}' has {}", file.path.native(),
                  json.at("sha256").get<std::string>(), manifest.native(), digest);
    }
    file.signatures = signatures_from(json.at("signatures"), file.path);
  });
  return file;
}

Signed read_provenance(const fs::path& manifest, const std::string& text) {
  const std::string statement = provenance_statement(parse_manifest(text, manifest.native()));
  Signed file{.path = provenance_path(manifest), .content = dsse_encoding(kStatementType, statement), .signatures = {}};
  read_json(file.path, "DSSE envelope", [&](const Json& json) {
    if (json.at("payloadType") != kStatementType || from_base64(json.at("payload").get<std::string>()) != statement) {
      throw Error(ExitCode::verification_failed, "'{}': does not say what the manifest '{}' says", file.path.native(), manifest.native());
    }
    file.signatures = signatures_from(json.at("signatures"), file.path);
  });
  return file;
}

/// What is there already, if it is of this manifest. A file that can't be read is an error: it may hold signatures of others.
template <typename Read>
std::vector<Signature> earlier(const fs::path& path, const Read& read) {
  if (!fs::exists(path)) return {};
  try {
    return read().signatures;
  } catch (const Error& error) {
    if (error.code() != ExitCode::verification_failed) throw;
    return {};  // of another manifest
  }
}

std::vector<Signature> with(std::vector<Signature> signatures, const Ed25519Key& key, const std::string& content) {
  std::erase_if(signatures, [&](const Signature& signature) { return signature.key_id == key.id(); });
  signatures.push_back({.key_id = key.id(), .bytes = key.sign(content)});
  return signatures;
}

void require_files(const Manifest& manifest, const fs::path& path) {
  for (const auto* files : {&manifest.artifacts, &manifest.documents}) {
    for (const ManifestArtifact& file : *files) {
      if (is_intact(file, path.parent_path())) continue;
      throw Error(ExitCode::verification_failed, "'{}': is not there, or not the file that '{}' describes", (path.parent_path() / file.file).native(),
                  path.native());
    }
  }
}

}  // namespace

void sign_manifest(const fs::path& path, const Ed25519Key& key) {
  const std::string text = io::read_file(path);
  const Manifest manifest = parse_manifest(text, path.native());
  require_files(manifest, path);
  const std::string statement = provenance_statement(manifest);
  const std::vector<Signature> ours = with(earlier(signatures_path(path), [&] { return read_signatures(path, text); }), key, text);
  const std::vector<Signature> provenance =
      with(earlier(provenance_path(path), [&] { return read_provenance(path, text); }), key, dsse_encoding(kStatementType, statement));
  const Json envelope = {{"payload", to_base64(statement)}, {"payloadType", kStatementType}, {"signatures", to_json(provenance)}};
  io::write_file(provenance_path(path), envelope.dump() + "\n", 0644);
  io::write_file(signatures_path(path), Json{{"version", 1}, {"sha256", sha256(text)}, {"signatures", to_json(ours)}}.dump(1) + "\n", 0644);
}

namespace {

SignatureReport check(const Signed& file, const std::vector<PublicKey>& keys) {
  SignatureReport report;
  for (std::size_t i = 0; i < file.signatures.size(); ++i) {
    const Signature& signature = file.signatures[i];
    const auto key = std::ranges::find(keys, signature.key_id, &PublicKey::id);
    if (key == keys.end()) {
      report.unknown.push_back(signature.key_id);
    } else if (!is_signed_by(*key, file.content, signature.bytes)) {
      throw Error(ExitCode::verification_failed, "'{}': signature {}, of key '{}', does not match", file.path.native(), i + 1, key->origin.native());
    } else if (std::ranges::find(report.trusted, key->id, &PublicKey::id) == report.trusted.end()) {
      report.trusted.push_back(*key);
    }
  }
  return report;
}

void require_enough(const SignatureReport& report, const SignaturePolicy& policy, const fs::path& file) {
  if (report.trusted.size() >= policy.required) return;
  Error error(ExitCode::verification_failed, "'{}': {} of {} required signatures, by keys in '{}'", file.native(), report.trusted.size(),
              policy.required, policy.trusted_keys.native());
  if (!report.unknown.empty()) error.set_hint(fmt::format("signed by unknown keys: {}", fmt::join(report.unknown, ", ")));
  throw error;
}

}  // namespace

SignatureReport check_signatures(const fs::path& path, const SignaturePolicy& policy) {
  const std::vector<PublicKey> keys = read_public_keys(policy.trusted_keys);
  if (policy.required == 0 || policy.required > keys.size()) {
    throw Error(ExitCode::usage, "--require {}: must be from 1 to {}, the number of keys in '{}'", policy.required, keys.size(),
                policy.trusted_keys.native());
  }
  const std::string text = io::read_file(path);
  for (const fs::path& needed : {signatures_path(path), provenance_path(path)}) {
    if (!fs::exists(needed)) throw Error(ExitCode::verification_failed, "'{}': is not there, so nobody signed '{}'", needed.native(), path.native());
  }
  SignatureReport report = check(read_signatures(path, text), keys);
  require_enough(report, policy, signatures_path(path));
  require_enough(check(read_provenance(path, text), keys), policy, provenance_path(path));
  std::ranges::sort(report.trusted, {}, &PublicKey::origin);
  return report;
}

}  // namespace imgbuild
