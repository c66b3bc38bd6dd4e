#include "util/secret.h"

#include <openssl/crypto.h>

namespace imgbuild {

Secret::~Secret() { cleanse(value_); }

void cleanse(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace imgbuild
