#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>

#include "build/base_supply.h"
#include "recipe/project.h"

/// Options that several commands share.
namespace imgbuild {

/// --env FILE (required) and -o DIR.
void add_deployment_options(CLI::App& command, std::filesystem::path& environment, std::filesystem::path& output_root);

/// What -o said, else output/ of the project: relative to the current folder if it is below it.
[[nodiscard]] std::filesystem::path output_root_or_default(const Project& project, const std::filesystem::path& output_root);

/// --mirror, --image-mirror, --proxy, --sha256, --serial and --allow-old: how a base is got that the cache lacks.
void add_base_options(CLI::App& command, BaseOptions& options);

}  // namespace imgbuild
