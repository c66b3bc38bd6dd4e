#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace imgbuild {

/// SHA-256 over bytes given in pieces. Digests are 64 lower-case hex digits everywhere in imgbuild.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  /// Adds a length-prefixed field, so that ("ab","c") and ("a","bc") differ.
  void update_field(std::string_view bytes);
  /// The digest; the object can't be used after it.
  [[nodiscard]] std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] std::string sha256(std::string_view bytes);
/// The same as its 32 bytes.
[[nodiscard]] std::string sha256_bytes(std::string_view bytes);
/// HMAC-SHA-256, its 32 bytes (RFC 2104).
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view bytes);

/// Digest of a file's content. Throws Error if it can't be read; Interrupted if interrupted.
[[nodiscard]] std::string sha256_file(const std::filesystem::path& path);

/// Python's cache of compiled code, which running a test leaves in overlays/: no part of any folder that we read.
[[nodiscard]] bool is_python_cache(const std::filesystem::path& path);

/// True for 64 lower-case hex digits.
[[nodiscard]] bool is_sha256(std::string_view text);

[[nodiscard]] std::string to_hex(std::string_view bytes);
[[nodiscard]] std::string to_base64(std::string_view bytes);

}  // namespace imgbuild
