#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/source.h"
#include "util/command.h"
#include "util/io.h"
#include "util/size.h"
#include "util/status.h"

namespace imgbuild {

/// How to get a published base. Only 'cache' must be given.
struct FetchOptions {
  std::filesystem::path cache;    ///< root of the cache; downloads/ and work/ below it are used
  std::string mirror;             ///< https URL in the place of the source's base_url
  std::string proxy;              ///< empty: as https_proxy and no_proxy say
  std::filesystem::path ca_file;  ///< empty: the host's certificates
  std::string pinned_sha256;      ///< only the image with this digest
  std::string serial;             ///< only this one; needed where the publisher signs nothing
  /// How long ago the publisher may have signed its index. Ubuntu signs anew with each image, every few
  /// weeks.
  std::chrono::hours max_age{24 * 180};
  enum class AllowOld {
    no,
    yes
  } allow_old = AllowOld::no;  ///< accept an index older than one seen or than max_age
  enum class Network { yes, no } network = Network::yes;  ///< no: only what the cache has
  std::chrono::milliseconds stall_timeout{60'000};
  std::chrono::milliseconds retry_delay{1'000};
};

/// Fills what is empty: mirror from IMGBUILD_MIRROR, ca_file from IMGBUILD_CA_FILE or SSL_CERT_FILE.
void apply_environment(FetchOptions& options);

/// A disk image as published, its digest just checked through 'file'.
struct VerifiedDisk {
  std::filesystem::path path;  ///< downloads/SHA256 in the cache
  std::string sha256;
  std::string serial;
  std::string url;     ///< where it came from
  std::string signer;  ///< fingerprint of the key; empty where a digest was pinned
  ByteSize size;
  std::shared_ptr<const io::File> file;  ///< the very bytes checked, whatever becomes of the path
};

/// The newest image of the source (or the one that options name): index, signature, choice, signed checksums,
/// download, digest; published in the cache only then. Without a network the image verified last is used,
/// with a note. After a refusal nothing of what was refused is left. Throws Error: verification failed for
/// anything that is not exactly as signed or pinned, network, bad input for wrong options, host unfit (no
/// gpgv, no space); Interrupted.
[[nodiscard]] VerifiedDisk fetch(const BaseSource& source, const FetchOptions& options, CommandRunner& runner,
                                 Status& status);

}  // namespace imgbuild
