#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "keys/signature.h"

/// Signatures of a manifest, in two files beside it that any number of people may add theirs to, each with an own key:
///
///   ROLE.manifest.sig.json   {"version": 1, "sha256": DIGEST OF THE MANIFEST, "signatures": [{"keyid", "sig"}…]}
///   ROLE.intoto.json         a DSSE envelope with the provenance: {"payload", "payloadType", "signatures": [{"keyid", "sig"}…]}
///
/// The first ones are over the bytes of the manifest as they are, so that `openssl pkeyutl -verify -rawin` can check them.
namespace imgbuild {

/// Adds the key's signatures, or puts them in place of its old ones. Both files appear complete or stay as they were. Signatures of
/// an older manifest go. Throws Error (bad input) if the manifest is none, (verification failed) if a file that it names is not the
/// one that it means: nobody signs what is not there.
void sign_manifest(const std::filesystem::path& manifest, const Ed25519Key& key);

/// How many must have signed, and who may.
struct SignaturePolicy {
  std::size_t required = 1;
  std::filesystem::path trusted_keys;  ///< folder of public keys
};

/// Who signed.
struct SignatureReport {
  std::vector<PublicKey> trusted;    ///< each once, by name of file
  std::vector<std::string> unknown;  ///< ids of keys that are not trusted; their signatures say nothing
};

/// Throws Error (verification failed) if fewer trusted keys signed the manifest and its provenance than required, if one of their
/// signatures does not match, or if the provenance does not say what the manifest says.
[[nodiscard]] SignatureReport check_signatures(const std::filesystem::path& manifest, const SignaturePolicy& policy);

}  // namespace imgbuild
