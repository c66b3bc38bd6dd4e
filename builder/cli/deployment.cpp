#include <nlohmann/json.hpp>
#include <thread>

#include "build/deployment.h"
#include "build/host_needs.h"
#include "build/locked_plan.h"
#include "build/outputs.h"
#include "build/seeds.h"
#include "build/unprivileged.h"
#include "build/vagrantfile.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

struct DeploymentOptions {
  PlanOptions plan;
  fs::path environment;
  BuildOptions build;
  bool dry_run = false;
  bool rebuild = false;
  bool locked = false;
};

void print_plan(Session& session, const Project& project, const std::vector<Plan>& plans) {
  const std::vector<std::string> missing = missing_in_vault(project, plans);
  if (session.output == Session::Output::json) {
    Json list = Json::array();
    for (const Plan& plan : plans) list.push_back(Json::parse(to_json(plan)));
    session.print(Json{{"version", 1}, {"deployment", plans.front().environment.deployment}, {"roles", list}, {"vault", missing}}.dump());
    return;
  }
  std::size_t machines = 0;
  for (const Plan& plan : plans) machines += plan.machines.size();
  session.print(fmt::format("deployment {}: {} roles, {} different images, {} machines", plans.front().environment.deployment,
                            plans.size(), image_groups(plans).size(), machines));
  for (const Plan& plan : plans) session.print("\n" + describe(plan));
  if (!missing.empty()) session.print("");
  for (const std::string& entry : missing) session.print("would make in the vault: " + entry);
}

void print_results(Session& session, const std::vector<Plan>& plans, const std::vector<BuiltImage>& images,
                   const std::vector<fs::path>& seeds, const std::optional<fs::path>& vagrantfile) {
  Json json = {{"version", 1}, {"deployment", plans.front().environment.deployment}, {"images", Json::array()}, {"seeds", Json::array()}};
  const bool as_text = session.output == Session::Output::text;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    Json artifacts = Json::array();
    for (const fs::path& path : images[i].artifacts) {
      artifacts.push_back(path);
      if (as_text) session.print(path.native());
    }
    if (as_text) session.print(images[i].manifest.native());
    json["images"].push_back({{"role", plans[i].recipe.role}, {"artifacts", artifacts}, {"manifest", images[i].manifest}});
  }
  for (const fs::path& path : seeds) {
    json["seeds"].push_back(path);
    if (as_text) session.print(path.native());
  }
  if (vagrantfile) {
    json["vagrantfile"] = *vagrantfile;
    if (as_text) session.print(vagrantfile->native());
  }
  if (!as_text) session.print(json.dump());
}

/// Names for the lines of the display: "web-master, web-slave".
std::vector<std::string> names_of(const std::vector<Plan>& plans) {
  std::vector<std::string> names;
  for (const ImageGroup& group : image_groups(plans)) {
    std::vector<std::string> roles;
    for (const std::size_t place : group) roles.push_back(plans[place].recipe.role);
    names.push_back(fmt::format("{}", fmt::join(roles, ", ")));
  }
  return names;
}

std::vector<BuiltImage> build(Session& session, const std::vector<Plan>& plans, BuildOptions options) {
  const std::size_t parallel = parallel_builds(image_groups(plans).size(), std::thread::hardware_concurrency(), available_memory());
  options.backend = require_host(plans, parallel, find_cache(), session.runner(), session.status());
  options.proxy = options.base.fetch.proxy;
  const Cache cache = open_cache();
  if (options.backend == TreeBackend::native_unprivileged) {
    enter_build_namespace(cache, lacks_base(plans, cache) ? Appliance::used : Appliance::unused, session.runner(), session.status());
  }
  std::unique_ptr<ProgressBoard> board;  // made when the first build begins: before, there is one line for all
  const auto line = [&](std::size_t number) -> Status& {
    if (!board) board = session.board(names_of(plans));
    return board->line(number);
  };
  return build_images(plans, cache, options, session.runner(), session.status(), line);
}

void run(Session& session, DeploymentOptions options) {
  const Project project = find_project();
  options.plan.output_root = output_root_or_default(project, options.plan.output_root);
  const std::vector<Plan> plans = make_plans(project, options.environment, options.plan);
  check_seeds(project, plans);
  require_output_folder(options.plan.output_root, plans.front().output);
  require_vagrant_gets_in(plans);
  if (options.locked) require_everything_here(plans, find_cache());
  if (options.dry_run) return print_plan(session, project, plans);
  const std::vector<BuiltImage> images = build(session, plans, options.build);
  const std::vector<fs::path> seeds = write_seeds(project, plans, session.status());
  std::optional<fs::path> vagrantfile;
  if (has_boxes(plans)) vagrantfile = write_vagrantfile(plans, probe_kvm({.cache = find_cache().root}, session.runner(), session.status()).works);
  print_results(session, plans, images, seeds, vagrantfile);
}

}  // namespace

void add_deployment_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<DeploymentOptions>();
  CLI::App* command = app.add_subcommand("deployment", "Images of all roles of a deployment, and a seed for each of its machines");
  add_deployment_options(*command, options->environment, options->plan.output_root);
  const std::string formats = fmt::format("Formats of the images, in place of the recipes': {}", fmt::join(known_formats(), ", "));
  command->add_option("--format", options->plan.formats, formats)->delimiter(',');
  add_base_options(*command, options->build.base);
  command->add_option("--base", options->plan.base, "Base, in place of the environment's or recipes'");
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
