#pragma once

#include <string>
#include <vector>

#include "recipe/recipe.h"

namespace imgbuild {

/// One thing that decides what a step does.
struct StepInput {
  std::string name;   ///< for people: "install nginx", "overlays/web/etc/nginx/nginx.conf"
  std::string value;  ///< digest of a file's content and kind, target of a link; empty where the name says all
  auto operator<=>(const StepInput&) const = default;
};

/// Everything that decides what the step does, but the tree it works on and the versions of packages; in the recipe's order,
/// files by path. Reads the files of overlays and scripts. Throws Error on what is no file, folder or link.
[[nodiscard]] std::vector<StepInput> inputs_of(const Step& step);

/// Digest of a step: its kind and its inputs.
[[nodiscard]] std::string digest_of(const Step& step, const std::vector<StepInput>& inputs);

}  // namespace imgbuild
