#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/source.h"
#include "util/command.h"

namespace imgbuild {

/// A signature that was believed.
struct Signature {
  std::string signer;             ///< fingerprint of the primary key, as pinned
  std::chrono::sys_seconds made;  ///< says the signature itself
};

struct SignedText {
  std::string text;  ///< only what the signature covers, as gpgv wrote it out
  Signature signature;
};

/// Checks signatures with gpgv against one pinned key and nothing else: no key ring of the user or the host
/// is read. Accepted is exactly one signature, good and valid, by the primary key pinned, over SHA-256 or
/// longer; an expired, revoked, foreign or weak key, a subkey, an expired signature and anything gpgv
/// complains about are refused. Works in files below 'folder', which must be private; throws Error
/// (verification failed) that begins with 'origin'.
class SignatureVerifier {
 public:
  /// Throws Error if the key can't be read or is weak. 'key' must outlive the verifier.
  SignatureVerifier(const SigningKey& key, const std::filesystem::path& folder, CommandRunner& runner);

  /// Of a clear-signed document: lines outside the signed part never come back.
  [[nodiscard]] SignedText clear_signed(std::string_view document, const std::string& origin) const;
  /// Of 'data' with the signature in a file of its own.
  [[nodiscard]] Signature detached(std::string_view data, std::string_view signature,
                                   const std::string& origin) const;

 private:
  [[nodiscard]] Signature run_gpgv(std::vector<std::string> arguments, const std::string& origin) const;

  const SigningKey& key_;
  std::filesystem::path folder_;
  CommandRunner& runner_;
};

/// The verdict over what `gpgv --status-fd` said (doc/DETAILS of GnuPG). gpgv's exit status alone proves
/// nothing: it is 0 for expired and for revoked keys. Throws Error (verification failed).
[[nodiscard]] Signature judge_status(std::string_view status, std::string_view pinned,
                                     const std::string& origin);

}  // namespace imgbuild
