#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/recipe.h"
#include "tree/apt_text.h"
#include "tree/guest.h"
#include "util/io.h"

namespace imgbuild {

/// apt in the tree, with its configuration, lists, caches and archives in folders of the host that go with this object.
class Apt {
 public:
  using OnLine = std::function<void(std::string_view)>;

  Apt(Guest& guest, const std::filesystem::path& work, const std::string& configuration);

  [[nodiscard]] std::filesystem::path cache() const { return work_.path() / "cache"; }
  [[nodiscard]] std::filesystem::path lists() const { return work_.path() / "lists"; }
  [[nodiscard]] std::filesystem::path archives() const { return work_.path() / "archives"; }

  /// Runs apt-get. Throws the stage's error if it fails. Only installing sees the archives.
  CommandResult run(AptStage stage, const std::vector<std::string>& arguments, const OnLine& on_line = {});

 private:
  Guest& guest_;
  io::TemporaryDirectory work_;
};

/// "apt-get …": one run for upgrade, installation and removal, so that dpkg does everything once.
[[nodiscard]] std::vector<std::string> apt_request(const std::vector<std::string>& install, const std::vector<std::string>& remove,
                                                   PackagesStep::Upgrade upgrade);

}  // namespace imgbuild
