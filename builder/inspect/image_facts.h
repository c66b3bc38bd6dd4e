#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "build/manifest.h"
#include "inspect/image_content.h"

namespace imgbuild {

/// An account that somebody could log in to, or that is root.
struct ImageUser {
  std::string name;
  std::string uid;
  std::string shell;
  std::string password;  ///< "locked", "none" or "set"; never more
};

/// What of an image's configuration decides who reaches it, and how: by place ("sshd", "/etc/nginx/nginx.conf") and name.
struct ImageSetting {
  std::string place;
  std::string name;
  std::string value;
};

struct ImageFacts {
  std::vector<ManifestPackage> packages;     ///< sorted by name
  std::map<std::string, std::string> units;  ///< "enabled" or "masked" by name
  std::vector<ImageUser> users;              ///< in the order of /etc/passwd
  std::vector<ImageSetting> settings;        ///< sshd's in effect; nginx, PostgreSQL, memcached: where they listen; nftables; sysctl
};

[[nodiscard]] ImageFacts facts_of(const ImageContent& content);

/// The installed packages of dpkg's status file, sorted.
[[nodiscard]] std::vector<ManifestPackage> parse_dpkg_status(std::string_view text);

/// sshd's settings in effect for all: the first of each name counts, the files of sshd_config.d come first, Match blocks are left out.
[[nodiscard]] std::vector<ImageSetting> sshd_settings(const std::map<std::string, std::string>& texts);

}  // namespace imgbuild
