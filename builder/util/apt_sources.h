#pragma once

#include <string>
#include <vector>

namespace imgbuild {

/// One place that apt installs from.
struct AptSource {
  std::string uri;    ///< as written
  std::string suite;  ///< "bookworm", "bookworm-updates", "./"
  bool operator==(const AptSource&) const = default;
};

/// The enabled `deb` sources of a one-line file (sources.list, *.list; sources.list(5)). Lines it can't read
/// are skipped.
[[nodiscard]] std::vector<AptSource> read_apt_list(const std::string& text);

/// The enabled `deb` sources of a deb822 file (*.sources), one for each pair of URI and suite.
[[nodiscard]] std::vector<AptSource> read_apt_deb822(const std::string& text);

/// All enabled `deb` sources of this host: /etc/apt/sources.list, then sources.list.d by name. Unreadable
/// files are skipped.
[[nodiscard]] std::vector<AptSource> host_apt_sources();

}  // namespace imgbuild
