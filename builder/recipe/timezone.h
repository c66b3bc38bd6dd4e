#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace imgbuild {

/// The names of the tz database installed in 'zoneinfo', such as "Europe/Vienna", sorted; none if it is not
/// there.
[[nodiscard]] std::vector<std::string> list_timezones(const std::filesystem::path& zoneinfo);

}  // namespace imgbuild
