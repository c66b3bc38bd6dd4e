#pragma once

#include <map>
#include <string>
#include <vector>

namespace imgbuild {

/// The settings of a profile, of both files; the credentials file wins. Empty if there is no "default". Throws Error (bad input)
/// "FILE:LINE: …" for a line that is neither a section nor a setting, and for a profile that was named ('given' or AWS_PROFILE) and is
/// in neither file.
using AwsProfile = std::map<std::string, std::string>;
[[nodiscard]] AwsProfile read_profile(const std::string& given);

/// 'given', else AWS_PROFILE, else "default".
[[nodiscard]] std::string profile_name(const std::string& given);

/// The words of a command line as credential_process has it: blanks part words, quotes keep them together.
[[nodiscard]] std::vector<std::string> split_words(const std::string& line);

}  // namespace imgbuild
