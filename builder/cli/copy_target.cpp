#include "cli/copy_target.h"

#include "cli/ami.h"
#include "util/error.h"

namespace imgbuild {

void require_key_of(const std::string& kms_key, const std::string& region) {
  if (!kms_key.starts_with("arn:") || kms_key.find(":kms:") == std::string::npos) {
    throw Error(ExitCode::usage, "'{}' is no ARN of a key", kms_key).set_hint("one is arn:aws:kms:eu-central-1:111122223333:key/…");
  }
  if (kms_key.find(":kms:" + region + ":") == std::string::npos) throw Error(ExitCode::usage, "{} is not a key of {}", kms_key, region);
}

CopyTarget read_copy_target(const std::string& text, const Encryption& encryption) {
  const std::size_t equals = text.find('=');
  CopyTarget target = {.region = text.substr(0, equals), .encryption = encryption};
  (void)regions_of({.regions = {target.region}, .profile = {}});  // throws for what is none
  if (equals != std::string::npos) target.encryption = {.wanted = Encryption::Wanted::yes, .kms_key = text.substr(equals + 1)};
  if (!target.encryption.kms_key.empty()) require_key_of(target.encryption.kms_key, target.region);
  return target;
}

}  // namespace imgbuild
