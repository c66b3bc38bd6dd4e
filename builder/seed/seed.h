#pragma once

#include <filesystem>
#include <string>

#include "seed/template.h"
#include "seed/view.h"
#include "util/secret.h"

namespace imgbuild {

/// The files of a NoCloud seed.
struct SeedFiles {
  Secret user_data;            ///< #cloud-config; secret as a whole
  std::string meta_data;       ///< instance-id and local-hostname
  std::string network_config;  ///< version 2
};

/// The seed of a machine; the same input gives the same bytes. The instance-id is its name and 12 hex digits of the
/// content's digest, so that a changed seed is a new instance to cloud-init. Throws Error (bad input) if the machine is
/// external, or a value can't be written.
[[nodiscard]] SeedFiles make_seed(const SeedTemplate& seed, const SeedInput& input);

/// Writes the seed as an ISO 9660 image, 0600; the same files give the same bytes. What was at 'path' before stays until
/// the new one is whole. The folder must exist.
void write_seed(const std::filesystem::path& path, const SeedFiles& files);

/// Reads what write_seed wrote. Throws Error (bad input) "PATH: …" if it is no seed of ours.
[[nodiscard]] SeedFiles read_seed(const std::filesystem::path& path);

/// The instance-id in a seed's meta-data. Throws Error (bad input) if there is none.
[[nodiscard]] std::string instance_id(const SeedFiles& files);

}  // namespace imgbuild
