#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/source.h"

namespace imgbuild {

/// Keys made with gpg when the test program starts, all on 2015-01-01 unless their name says otherwise.
enum class TestKey {
  good,
  foreign,
  expired,  ///< since 2016
  revoked,  ///< after it signed
  weak,     ///< RSA with 1024 bits
  rsa,
  with_subkey,  ///< signs with its subkey
};

/// How to sign.
struct Signing {
  TestKey key = TestKey::good;
  std::string time = {};                    ///< "20200101T000000"; empty: now
  std::vector<std::string> arguments = {};  ///< further ones for gpg
};

/// The public key as a program would pin it.
[[nodiscard]] const SigningKey& public_key(TestKey key);
[[nodiscard]] std::string clear_sign(const std::string& text, const Signing& signing = {});
/// An armoured signature in a file of its own.
[[nodiscard]] std::string detach_sign(const std::string& text, const Signing& signing = {});

}  // namespace imgbuild
