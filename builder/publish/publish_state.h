#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "publish/block_map.h"

namespace imgbuild {

/// What imgbuild remembers of a region, in $XDG_STATE_HOME/imgbuild/ec2/REGION (or ~/.local/state/…), 0700:
///
///   NAME.journal       an upload that is under way, or was cut (upload_journal.h)
///   NAME.last          the last snapshot of that name, and how it is encrypted
///   NAME.map           what is on it
///
/// NAME is a role, or what else is uploaded. Not in the cache: what is here tells of things that cost money.
class PublishState {
 public:
  explicit PublishState(const std::string& region);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path journal(const std::string& name) const { return folder_ / (name + ".journal"); }
  /// Names of all journals, sorted.
  [[nodiscard]] std::vector<std::string> journals() const;

  struct Last {
    std::string snapshot;
    std::string encryption;  ///< "none", "default", or the key
    BlockMap map;
  };
  [[nodiscard]] std::optional<Last> last(const std::string& name) const;
  void keep_last(const std::string& name, const Last& last) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace imgbuild
