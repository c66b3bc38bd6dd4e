#include "build/deployment.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "build/locked_plan.h"
#include "util/worker.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr ByteSize kMemoryOfABuild = 1_GiB;

/// The images of one group, the first made or found, the others sharing it.
std::vector<BuiltImage> build_group(const std::vector<Plan>& plans, const ImageGroup& group, const Cache& cache,
                                    const BuildOptions& options, CommandRunner& runner, Status& status) {
  std::vector<BuiltImage> images = {build_image(plans[group.front()], cache, options, runner, status)};
  BuildOptions sharing = options;
  sharing.rebuild = BuildOptions::Rebuild::no;
  sharing.same_as = plans[group.front()].recipe.role;
  for (auto place = group.begin() + 1; place != group.end(); ++place) {
    images.push_back(build_image(plans[*place], cache, sharing, runner, status));
  }
  return images;
}

std::string to_text(const std::vector<BuiltImage>& images) {
  Json list = Json::array();
  for (const BuiltImage& image : images) {
    Json artifacts = Json::array();
    for (const fs::path& path : image.artifacts) artifacts.push_back(path.native());
    list.push_back({{"artifacts", artifacts}, {"manifest", image.manifest.native()}});
  }
  return list.dump();
}

std::vector<BuiltImage> from_text(const std::string& text) {
  std::vector<BuiltImage> images;
  for (const Json& item : Json::parse(text)) {
    BuiltImage image;
    for (const Json& path : item.at("artifacts")) image.artifacts.emplace_back(path.get<std::string>());
    image.manifest = item.at("manifest").get<std::string>();
    images.push_back(std::move(image));
  }
  return images;
}

/// Before the builds, so that they only find it.
void provide_bases(const std::vector<Plan>& plans, const Cache& cache, const BuildOptions& options, CommandRunner& runner,
                   Status& status) {
  std::set<std::string> provided;
  for (const Plan& plan : plans) {
    if (provided.insert(plan.base).second) (void)provide_base_of(plan, cache, options.base, runner, status);
  }
}

}  // namespace

std::vector<ImageGroup> image_groups(const std::vector<Plan>& plans) {
  std::vector<ImageGroup> groups;
  std::map<std::string, std::size_t> known;  // by what decides the bytes, and the formats asked for
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const std::string key = plan_digest(plans[i], plans[i].base) + fmt::format(" {}", fmt::join(plans[i].formats, ","));
    const auto [place, is_new] = known.emplace(key, groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(i);
  }
  return groups;
}

std::size_t parallel_builds(std::size_t images, unsigned processors, ByteSize memory) {
  const std::size_t by_memory = memory.bytes / kMemoryOfABuild.bytes;
  return std::max<std::size_t>(1, std::min({images, std::size_t{processors}, by_memory}));
}

std::vector<BuiltImage> build_images(const std::vector<Plan>& plans, const Cache& cache, const BuildOptions& options,
                                     CommandRunner& runner, Status& status, const std::function<Status&(std::size_t)>& line) {
  provide_bases(plans, cache, options, runner, status);
  const std::vector<ImageGroup> groups = image_groups(plans);
  std::vector<Job> jobs;
  for (const ImageGroup& group : groups) {
    const auto work = [&, group](Status& said) { return to_text(build_group(plans, group, cache, options, runner, said)); };
    jobs.push_back({.name = plans[group.front()].recipe.role, .work = work, .status = &line(jobs.size())});
  }
  const std::size_t most = parallel_builds(groups.size(), std::thread::hardware_concurrency(), available_memory());
  const std::vector<std::string> results = run_jobs(jobs, most);
  std::vector<BuiltImage> images(plans.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::vector<BuiltImage> made = from_text(results[i]);
    for (std::size_t k = 0; k < groups[i].size(); ++k) images[groups[i][k]] = made.at(k);
  }
  return images;
}

}  // namespace imgbuild
