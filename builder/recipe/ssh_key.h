#pragma once

#include <string>
#include <string_view>

namespace imgbuild {

/// What is wrong with a line for authorized_keys, such as "is a private key"; empty if nothing is. It must be
/// `TYPE BASE64 [COMMENT]` without options, with the key's parts inside the base64 as RFC 4253 and RFC 5656
/// have them; RSA from 2048 bits, no DSA. The text never holds a part of 'line'.
[[nodiscard]] std::string ssh_public_key_complaint(std::string_view line);

}  // namespace imgbuild
