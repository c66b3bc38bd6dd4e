#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/recipe.h"
#include "tree/apt_text.h"
#include "tree/guest.h"

namespace imgbuild {

/// apt in the tree, with its configuration, lists, caches and archives in a folder of the host.
class Apt {
 public:
  using OnLine = std::function<void(std::string_view)>;

  /// 'folder' is made if absent. What it holds of an earlier use is used again.
  Apt(Guest& guest, const std::filesystem::path& folder, const std::string& configuration);

  [[nodiscard]] std::filesystem::path cache() const { return folder_ / "cache"; }
  [[nodiscard]] std::filesystem::path lists() const { return folder_ / "lists"; }
  [[nodiscard]] std::filesystem::path archives() const { return folder_ / "archives"; }

  /// Runs apt-get. Throws the stage's error if it fails. Only installing sees the archives.
  CommandResult run(AptStage stage, const std::vector<std::string>& arguments, const OnLine& on_line = {});

 private:
  Guest& guest_;
  std::filesystem::path folder_;
};

/// "apt-get …": one run for upgrade, installation and removal, so that dpkg does everything once.
[[nodiscard]] std::vector<std::string> apt_request(const std::vector<std::string>& install, const std::vector<std::string>& remove,
                                                   PackagesStep::Upgrade upgrade);

}  // namespace imgbuild
