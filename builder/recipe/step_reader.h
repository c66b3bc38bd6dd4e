#pragma once

#include <filesystem>
#include <optional>

#include "recipe/project.h"
#include "recipe/recipe.h"
#include "util/yaml_fields.h"

namespace imgbuild {

/// The file whose steps are read.
struct StepSource {
  const Project& project;
  std::filesystem::path folder;  ///< that its relative paths start from
  FileProblems& problems;
};

/// One step; 'number' counts from 1 in its file. Nothing if it has no known kind.
[[nodiscard]] std::optional<Step> read_step(const StepSource& source, const yaml::Node& node, int number);

}  // namespace imgbuild
