#include "util/base64.h"

#include <openssl/evp.h>

#include "util/digest.h"

namespace imgbuild {

std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i, text.remove_suffix(1)) bytes.pop_back();  // OpenSSL counts the padding as zeros
  if (to_base64(bytes).compare(0, text.size(), text) != 0) return std::nullopt;  // it skips spaces and takes odd padding
  return bytes;
}

}  // namespace imgbuild
