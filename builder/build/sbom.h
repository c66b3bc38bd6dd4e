#pragma once

#include <string>

#include "build/manifest.h"

/// What an image is made of, for other tools: both from a manifest that has its list of files, and the same for all roles that share
/// the image and for all its formats. Nothing but the manifest decides what is in them: ids are made of digests, the time is the image's.
namespace imgbuild {

/// A package URL (https://github.com/package-url/purl-spec, type deb): "pkg:deb/debian/nginx@1.22.1-9?arch=amd64&distro=debian-12".
[[nodiscard]] std::string package_url(const Manifest& manifest, const ManifestPackage& package);

/// SPDX 2.3 as JSON.
[[nodiscard]] std::string to_spdx(const Manifest& manifest);

/// CycloneDX 1.5 as JSON.
[[nodiscard]] std::string to_cyclonedx(const Manifest& manifest);

}  // namespace imgbuild
