#pragma once

#include <string>
#include <vector>

#include "publish/snapshot_upload.h"

namespace imgbuild {

/// Where an image is copied to, and with what key.
struct CopyTarget {
  std::string region;
  Encryption encryption;
};

/// "REGION" or "REGION=KEY", encrypted as 'encryption' says where no key is named. Throws Error (usage) for what is no region, or a key
/// that is not of it.
[[nodiscard]] CopyTarget read_copy_target(const std::string& text, const Encryption& encryption);

/// Throws Error (usage) unless it is the ARN of a key in that region.
void require_key_of(const std::string& kms_key, const std::string& region);

}  // namespace imgbuild
