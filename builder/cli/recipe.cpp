#include <nlohmann/json.hpp>

#include "build/builder.h"
#include "build/host_needs.h"
#include "build/locked_plan.h"
#include "build/outputs.h"
#include "build/seeds.h"
#include "build/unprivileged.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct RecipeOptions {
  PlanOptions plan;
  fs::path environment;
  BuildOptions build;
  bool dry_run = false;
  bool rebuild = false;
  bool locked = false;
};

void print_plan(Session& session, const Project& project, const Plan& plan) {
  if (session.output == Session::Output::json) {
    session.print(to_json(plan));
    return;
  }
  session.print(describe(plan));
  for (const std::string& entry : missing_in_vault(project, {plan})) session.print("would make in the vault: " + entry);
}

void print_results(Session& session, const BuiltImage& image, const std::vector<fs::path>& seeds) {
  if (session.output == Session::Output::text) {
    for (const fs::path& path : image.artifacts) session.print(path.native());
    session.print(image.manifest.native());
    for (const fs::path& path : seeds) session.print(path.native());
    return;
  }
  nlohmann::ordered_json json = {{"version", 1}, {"manifest", image.manifest}, {"artifacts", nlohmann::json::array()}, {"seeds", nlohmann::json::array()}};
  for (const fs::path& path : image.artifacts) json["artifacts"].push_back(path);
  for (const fs::path& path : seeds) json["seeds"].push_back(path);
  session.print(json.dump());
}

void run(Session& session, RecipeOptions options) {
  const Project project = find_project();
  options.plan.output_root = output_root_or_default(project, options.plan.output_root);
  const Plan plan = make_plan(project, options.environment, options.plan);
  check_seeds(project, {plan});
  require_output_folder(options.plan.output_root, plan.output);
  if (options.locked) require_everything_here({plan}, find_cache());
  if (options.dry_run) return print_plan(session, project, plan);
  options.build.backend = require_host({plan}, 1, find_cache(), session.runner(), session.status());
  options.build.proxy = options.build.base.fetch.proxy;
  const Cache cache = open_cache();
  if (options.build.backend == TreeBackend::native_unprivileged) {
    enter_build_namespace(cache, lacks_base({plan}, cache) ? Appliance::used : Appliance::unused, session.runner(), session.status());
  }
  const BuiltImage image = build_image(plan, cache, options.build, session.runner(), session.status());
  const std::vector<fs::path> seeds = write_seeds(project, {plan}, session.status());
  print_results(session, image, seeds);
}

}  // namespace

void add_recipe_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<RecipeOptions>();
  CLI::App* command = app.add_subcommand("recipe", "Image of a role, and a seed for each of its machines");
  command->add_option("role", options->plan.role, "Name of a recipe: recipes/ROLE.yml")->required();
  add_deployment_options(*command, options->environment, options->plan.output_root);
  command->add_option("--machine", options->plan.machine, "Only the seed of this machine");
  const std::string formats = fmt::format("Formats of the image, in place of the recipe's: {}", fmt::join(known_formats(), ", "));
  command->add_option("--format", options->plan.formats, formats)->delimiter(',');
  add_base_options(*command, options->build.base);
  command->add_option("--base", options->plan.base, "Base, in place of the environment's or recipe's");
  command->add_flag("--rebuild", options->rebuild, "Build again, with the packages of now, though nothing changed");
  command->add_flag("--locked", options->locked, "Only base and packages of the lock file, from the cache: no network");
  command->add_flag("--dry-run", options->dry_run, "Print the plan; touch nothing");
  command->callback([options, &session] {
    options->plan.lock = options->locked ? PlanOptions::Lock::required : PlanOptions::Lock::used;
    if (options->locked) options->build.network = GuestCommand::Network::no;
    options->build.rebuild = options->rebuild ? BuildOptions::Rebuild::yes : BuildOptions::Rebuild::no;
    run(session, *options);
  });
}

}  // namespace imgbuild
