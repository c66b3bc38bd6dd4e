#include "build/outputs.h"
#include "build/plan.h"
#include "build/seeds.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct SeedOptions {
  fs::path environment;
  fs::path output_root;
  std::optional<std::string> machine;
};

void run(Session& session, const SeedOptions& options) {
  const Project project = find_project();
  const fs::path output_root = output_root_or_default(project, options.output_root);
  const std::vector<Plan> plans =
      make_plans(project, options.environment, {.role = {}, .machine = options.machine, .output_root = output_root});
  check_seeds(project, plans);
  require_output_folder(output_root, plans.front().output);
  for (const fs::path& path : write_seeds(project, plans, session.status())) session.print(path.native());
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
