#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "recipe/setting.h"
#include "util/size.h"

namespace imgbuild {

/// Installs and removes distribution packages.
struct PackagesStep {
  std::vector<std::string> install;
  std::vector<std::string> remove;
  enum class Upgrade { no, yes } upgrade = Upgrade::no;
  bool operator==(const PackagesStep&) const = default;
};

/// Copies a folder of overlays/ onto "/" as root:root, modes as they are (folders 0755, files 0644 or 0755).
struct OverlayStep {
  std::string name;
  std::filesystem::path folder;  ///< absolute, on the build host
  bool operator==(const OverlayStep&) const = default;
};

/// Hands a file pinned by its digest to a script inside the tree.
struct PayloadStep {
  std::string name;
  std::filesystem::path file;  ///< absolute, on the build host
  std::string sha256;
  std::filesystem::path install;  ///< script; gets the payload's path inside the tree as its argument
  bool operator==(const PayloadStep&) const = default;
};

/// Runs a script of recipes/scripts inside the tree.
struct RunStep {
  std::filesystem::path script;  ///< absolute, on the build host
  bool operator==(const RunStep&) const = default;
};

/// Enables, disables and masks systemd units.
struct ServicesStep {
  std::vector<std::string> enable;
  std::vector<std::string> disable;
  std::vector<std::string> mask;
  bool operator==(const ServicesStep&) const = default;
};

using Step = std::variant<PackagesStep, OverlayStep, PayloadStep, RunStep, ServicesStep>;

/// One line for people: "packages: install nginx, postgresql (upgrade)", "overlay: web", "run: scripts/x.sh".
[[nodiscard]] std::string describe(const Step& step);

/// The kinds of steps, as recipes name them.
[[nodiscard]] const std::vector<std::string>& step_kinds();

/// What `formats:` and --format may name: the formats an image can be written in, and last the words for several.
[[nodiscard]] const std::vector<std::string>& known_formats();

/// The formats that a word stands for: `vagrant` for the boxes of all providers, any other for itself.
[[nodiscard]] std::vector<std::string> formats_meant_by(const std::string& word);

/// The bases that have a name. Any other is the path of a disk image, and holds a '/'.
[[nodiscard]] const std::vector<std::string>& known_bases();

/// A role: how its image is made and what its machines must be told. Read from recipes/ROLE.yml.
struct Recipe {
  std::filesystem::path file;  ///< absolute
  std::string role;
  std::string description;
  std::string base;  ///< name of a base: bootstrap, ubuntu-24.04, …, or the absolute path of a disk image
  ByteSize disk;     ///< virtual size of the image
  std::vector<SettingDeclaration> settings;  ///< sorted by name
  std::vector<Step> steps;
  std::string seed;                  ///< name in cidata/
  std::vector<std::string> formats;  ///< at least one
  std::chrono::milliseconds ready_timeout{300'000};
};

}  // namespace imgbuild
