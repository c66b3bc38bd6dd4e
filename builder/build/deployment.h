#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "build/builder.h"
#include "build/plan.h"

namespace imgbuild {

/// Plans (by their place) whose image is the same, so that it is made once: by the first, for the others too.
using ImageGroup = std::vector<std::size_t>;

/// The plans by image, both in the order given.
[[nodiscard]] std::vector<ImageGroup> image_groups(const std::vector<Plan>& plans);

/// How many images are made at once: as many as there are processors and GiB of available memory, at least one. A build
/// keeps one processor busy, and takes up to 0.5 GiB besides the files it reads and writes.
[[nodiscard]] std::size_t parallel_builds(std::size_t images, unsigned processors, ByteSize memory);

/// Makes or finds the images of all plans, different ones at the same time, each in a process of its own; returns them in
/// the plans' order. Bases that the cache lacks are made before, one after the other, and told to 'status'; 'line' gives the
/// Status for an image by its group's place. The first error ends the other builds and is thrown; outputs are complete or
/// as they were before. Throws as build_image.
[[nodiscard]] std::vector<BuiltImage> build_images(const std::vector<Plan>& plans, const Cache& cache, const BuildOptions& options,
                                                   CommandRunner& runner, Status& status,
                                                   const std::function<Status&(std::size_t)>& line);

}  // namespace imgbuild
