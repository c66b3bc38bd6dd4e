#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "util/yaml_fields.h"

/// What a text in a recipe or environment may look like.
namespace imgbuild::rules {

extern const yaml::TextRule kHostName;     ///< RFC 1123 label, lower case
extern const yaml::TextRule kDeployment;   ///< fit for a folder and a host name
extern const yaml::TextRule kDomain;       ///< at least two labels
extern const yaml::TextRule kWord;         ///< [a-z][a-z0-9-]*, for roles, overlays, seeds, payloads
extern const yaml::TextRule kSettingName;  ///< [a-z][a-z0-9_]*
extern const yaml::TextRule kIp;
extern const yaml::TextRule kHostIp;  ///< one that a machine can have
extern const yaml::TextRule kCidr;
extern const yaml::TextRule kTimezone;  ///< the form of a name in the tz database
extern const yaml::TextRule kPackage;   ///< Debian policy 5.6.1
extern const yaml::TextRule kUnit;      ///< systemd.unit(5); "nginx" becomes "nginx.service"
extern const yaml::TextRule kSha256;
extern const yaml::TextRule kLine;      ///< one line without control characters
extern const yaml::TextRule kDuration;  ///< "300 s"; canonical: number of milliseconds
extern const yaml::TextRule kSize;      ///< "10 GiB"; canonical: number of bytes

}  // namespace imgbuild::rules
