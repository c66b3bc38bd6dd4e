#include <nlohmann/json.hpp>

#include "build/base_supply.h"
#include "build/cache.h"
#include "cli/commands.h"
#include "inspect/image_difference.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

struct DiffOptions {
  fs::path before;
  fs::path after;
};

bool is_manifest(const fs::path& path) { return path.extension() == ".json"; }

ImageSummary read_summary(Session& session, const fs::path& path) {
  if (is_manifest(path)) return summary_of(read_manifest(path));
  const Cache cache = open_cache();
  const DiskReading reading = {.work = cache.work(), .acceleration = guestfs_acceleration(cache, session.runner(), session.status())};
  return summary_of(read_image(path, Depth::files, reading, session.runner(), session.status()));
}

void print_section(Session& session, const char* title, const std::vector<ImageChange>& changes) {
  for (const ImageChange& change : changes) {
    if (!change.before.empty()) session.print(fmt::format("- {} {}: {}", title, change.name, change.before));
    if (!change.after.empty()) session.print(fmt::format("+ {} {}: {}", title, change.name, change.after));
  }
}

Json to_json(const std::vector<ImageChange>& changes) {
  Json list = Json::array();
  for (const ImageChange& change : changes) list.push_back({{"name", change.name}, {"before", change.before}, {"after", change.after}});
  return list;
}

void run(Session& session, const DiffOptions& options) {
  if (is_manifest(options.before) != is_manifest(options.after)) {
    throw Error(ExitCode::usage, "diff: two disks, or two manifests: '{}' and '{}' are one of each", options.before.native(), options.after.native());
  }
  const ImageDifference difference = difference_of(read_summary(session, options.before), read_summary(session, options.after));
  session.forget_stage();
  if (session.output == Session::Output::json) {
    const Json json = {{"version", 1}, {"packages", to_json(difference.packages)}, {"settings", to_json(difference.settings)}, {"files", to_json(difference.files)}};
    return session.print(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  print_section(session, "package", difference.packages);
  print_section(session, "setting", difference.settings);
  print_section(session, "file", difference.files);
}

}  // namespace

void add_diff_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<DiffOptions>();
  CLI::App* command = app.add_subcommand("diff", "What differs between two images: packages, settings, files");
  command->add_option("before", options->before, "A disk, or a manifest with its list of files beside it (.json), which is faster")->required();
  command->add_option("after", options->after, "Another of the same kind")->required();
  command->callback([options, &session] { run(session, *options); });
}

}  // namespace imgbuild
