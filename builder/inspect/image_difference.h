#pragma once

#include <map>
#include <string>
#include <vector>

#include "inspect/image_facts.h"
#include "inspect/verify.h"

namespace imgbuild {

/// What two images are compared by; of a manifest, or of a disk.
struct ImageSummary {
  std::map<std::string, std::string> packages;  ///< version by "name:architecture"
  std::map<std::string, std::string> settings;  ///< by place and name; units, accounts, partitions, and what a manifest says of base and steps
  std::vector<TreeRecord> files;                ///< sorted by path
};

[[nodiscard]] ImageSummary summary_of(const ImageContent& content);
/// Throws Error (verification failed) if its list of files is not there or not its own.
[[nodiscard]] ImageSummary summary_of(const GivenManifest& given);

/// Something in which two images differ; an empty side is not there.
struct ImageChange {
  std::string name;
  std::string before;
  std::string after;
  bool operator==(const ImageChange&) const = default;
};

struct ImageDifference {
  std::vector<ImageChange> packages;
  std::vector<ImageChange> settings;
  std::vector<ImageChange> files;  ///< "file 0644 0:0 12 bytes SHA-256 …"
};

/// What changed from one image to another, sorted by name. Of folders the time does not count.
[[nodiscard]] ImageDifference difference_of(const ImageSummary& before, const ImageSummary& after);

}  // namespace imgbuild
