#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace imgbuild {

/// The key that must have signed, pinned by the fingerprint of its primary key.
struct SigningKey {
  std::string fingerprint;  ///< 40 upper-case hex digits
  std::string armored;      ///< the public key, ASCII armour; text around it is ignored
};

/// Where a published base comes from and what makes us believe it. One row of the table below; tests make
/// their own.
struct BaseSource {
  std::string name;         ///< as in `base:` of recipes: "ubuntu-24.04"
  std::string description;  ///< for people
  std::string base_url;  ///< https, ends with '/'; every path below is relative to it; a mirror replaces it

  /// What an image is believed for.
  enum class Trust {
    signed_index,   ///< a clear-signed simplestreams index and the signed SHA256SUMS beside the image, which
                    ///< must agree
    pinned_digest,  ///< nothing is signed by the publisher: only for a digest that the user gives
  } trust = Trust::signed_index;

  // Of a signed index:
  SigningKey key = {};
  std::string index_path = {};  ///< "streams/v1/….sjson"
  std::string content_id =
      {};  ///< what the index must call itself, lest one signed file be passed off as another
  std::string product = {};       ///< "com.ubuntu.cloud:server:24.04:amd64"
  std::string architecture = {};  ///< "amd64"
  std::string item = {};          ///< "disk1.img"

  // Of a pinned digest:
  std::string image_path = {};  ///< with each "{serial}" to be replaced

  /// Whether an answer may redirect to another https host. Needed where a site hands out its mirrors.
  enum class OtherHosts { refuse, follow } other_hosts = OtherHosts::refuse;
};

/// The published bases, sorted by name.
[[nodiscard]] const std::vector<BaseSource>& list_sources();

/// The row named, or nullptr.
[[nodiscard]] const BaseSource* find_source(std::string_view name);

}  // namespace imgbuild
