#include "recipe/timezone.h"

#include <algorithm>
#include <system_error>

namespace imgbuild {
namespace {

namespace fs = std::filesystem;

/// Zone files begin with "TZif", but reading 600 files is slow: names that no zone has are enough.
bool is_zone_name(const std::string& name) {
  for (const char* prefix : {"posix/", "right/"})
    if (name.starts_with(prefix)) return false;
  return name.find('.') == std::string::npos && name.front() >= 'A' && name.front() <= 'Z';
}

}  // namespace

std::vector<std::string> list_timezones(const fs::path& zoneinfo) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(zoneinfo, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    std::string name = entry->path().lexically_relative(zoneinfo).string();
    if (entry->is_regular_file(ignored) && is_zone_name(name)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace imgbuild
