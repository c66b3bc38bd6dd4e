#include "base/source.h"

#include <fmt/format.h>

#include "base/keys/ubuntu_cloudimage.h"

namespace imgbuild {
namespace {

BaseSource ubuntu(std::string_view version) {
  return {
      .name = fmt::format("ubuntu-{}", version),
      .description = fmt::format("Ubuntu {} LTS server cloud image", version),
      .base_url = "https://cloud-images.ubuntu.com/releases/",
      .trust = BaseSource::Trust::signed_index,
      .key = {.fingerprint = std::string(kUbuntuCloudimageFingerprint),
              .armored = std::string(kUbuntuCloudimageKey)},
      .index_path = "streams/v1/com.ubuntu.cloud:released:download.sjson",
      .content_id = "com.ubuntu.cloud:released:download",
      .product = fmt::format("com.ubuntu.cloud:server:{}:amd64", version),
      .architecture = "amd64",
      .item = "disk1.img",
  };
}

/// Debian's cloud images come with a SHA512SUMS of which no signature is known (builder/base/README.md).
BaseSource debian_12() {
  return {
      .name = "debian-12",
      .description = "Debian 12 generic cloud image; needs a serial and a digest pinned by you",
      .base_url = "https://cloud.debian.org/images/cloud/bookworm/",
      .trust = BaseSource::Trust::pinned_digest,
      .image_path = "{serial}/debian-12-generic-amd64-{serial}.qcow2",
      .other_hosts = BaseSource::OtherHosts::follow,
  };
}

}  // namespace

const std::vector<BaseSource>& list_sources() {
  static const std::vector<BaseSource> sources = {debian_12(), ubuntu("22.04"), ubuntu("24.04")};
  return sources;
}

const BaseSource* find_source(std::string_view name) {
  for (const BaseSource& source : list_sources()) {
    if (source.name == name) return &source;
  }
  return nullptr;
}

}  // namespace imgbuild
