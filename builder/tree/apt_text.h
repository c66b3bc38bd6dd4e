#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tree/package_lock.h"
#include "util/error.h"

namespace imgbuild {

/// The whole configuration of apt for a build; given by APT_CONFIG, it reads neither the host's files nor the tree's
/// apt.conf.d. Checks that a host may have turned off are on (facts of `man apt.conf`).
[[nodiscard]] std::string apt_configuration(const std::string& proxy);

/// What is added to it for apt to see nothing but the index that write_index makes.
[[nodiscard]] std::string local_source_configuration();

/// Where in apt's lists the index lies, and the source it belongs to, a line of sources.list.
inline constexpr std::string_view kLocalIndex = "_imgbuild_._Packages";
inline constexpr std::string_view kLocalSource = "deb [trusted=yes] file:/imgbuild ./\n";

/// The paragraph of an index for a package file of that size and digest, whose control file is 'control'. Throws Error
/// (verification failed) if it is another package than the lock says.
[[nodiscard]] std::string index_paragraph(const LockedPackage& package, std::string_view control, std::uint64_t size,
                                          const std::string& sha256);

/// Reads the output of `apt-get --print-uris`, sorted. Throws Error (verification failed) for a file without a SHA-256, or with
/// a name that is none of apt's.
[[nodiscard]] PackageLock parse_package_files(std::string_view output);

/// "name version architecture" of each package that `apt-get --simulate` would install, sorted.
[[nodiscard]] std::vector<std::string> parse_simulated(std::string_view output);

/// What apt was to do when it failed.
enum class AptStage { update, select, simulate, install, check };

/// The error for apt's failure in a stage; 'lines' is the end of its output.
[[nodiscard]] Error apt_error(AptStage stage, const std::vector<std::string>& lines);

}  // namespace imgbuild
