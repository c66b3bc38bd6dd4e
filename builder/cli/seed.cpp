#include <algorithm>

#include "build/plan.h"
#include "build/seeds.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "recipe/read.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct SeedOptions {
  fs::path environment;
  fs::path output_root;
  std::optional<std::string> machine;
};

/// The roles of the machines that get a seed, each once.
std::vector<std::string> roles_of(const Environment& environment, const SeedOptions& options) {
  std::vector<std::string> roles;
  for (const Machine& machine : environment.machines) {
    if (machine.external == Machine::External::yes) continue;
    if (options.machine && machine.name != *options.machine) continue;
    if (std::ranges::find(roles, machine.role) == roles.end()) roles.push_back(machine.role);
  }
  if (roles.empty() && options.machine) {
    throw Error(ExitCode::bad_input, "{}: there is no machine '{}' of ours", environment.file.native(), *options.machine);
  }
  return roles;
}

void run(Session& session, SeedOptions options) {
  const Project project = find_project();
  options.output_root = output_root_or_default(project, options.output_root);
  Problems problems;
  const Environment environment = read_environment(project, options.environment, problems);
  problems.throw_if_any();
  std::vector<Plan> plans;
  for (const std::string& role : roles_of(environment, options)) {
    plans.push_back(make_plan(project, options.environment,
                              {.role = role, .machine = options.machine, .output_root = options.output_root}));
    check_seeds(project, plans.back());
  }
  for (const Plan& plan : plans) {
    for (const fs::path& path : write_seeds(project, plan, session.status())) session.print(path.native());
  }
}

}  // namespace

void add_seed_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<SeedOptions>();
  CLI::App* command = app.add_subcommand("seed", "Seeds of a deployment's machines only");
  add_deployment_options(*command, options->environment, options->output_root);
  command->add_option("--machine", options->machine, "Only this machine");
  command->callback([options, &session] { run(session, *options); });
}

}  // namespace imgbuild
