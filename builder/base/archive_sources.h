#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/base.h"

namespace imgbuild {

/// An archive of the distribution, as APT's sources name it.
struct ArchiveSource {
  std::string uri;
  std::vector<std::string> suites;
  std::vector<std::string> components;
  bool operator==(const ArchiveSource&) const = default;
};

/// Reads one file of sources, in the one-line form or (name ends in .sources) as deb822. Entries for sources
/// only, disabled ones, and those that switch off signatures or are signed by other keys than the
/// distribution.s are left out: they are none of the distribution's.
[[nodiscard]] std::vector<ArchiveSource> parse_archive_sources(const std::string& text,
                                                               const std::filesystem::path& name,
                                                               const std::string& distribution);

/// The host's entries for its own release, updates and security, from /etc/apt below 'root'. Throws Error
/// (host unfit) if there is none, with the hint to give a mirror.
[[nodiscard]] std::vector<ArchiveSource> distribution_sources(const std::filesystem::path& root,
                                                              const OsRelease& release);

/// The same as a deb822 file in which every entry must be signed by the distribution's archive keyring.
[[nodiscard]] std::string to_deb822(const std::vector<ArchiveSource>& sources,
                                    const std::string& distribution);

/// The distribution's archive keyring: /usr/share/keyrings/debian-archive-keyring.gpg or Ubuntu's.
[[nodiscard]] std::string archive_keyring(const std::string& distribution);

}  // namespace imgbuild
