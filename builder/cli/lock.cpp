#include <nlohmann/json.hpp>

#include "build/host_needs.h"
#include "build/make_lock.h"
#include "build/unprivileged.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "cli/table.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct LockOptions {
  PlanOptions plan;
  fs::path environment;
  BuildOptions build;
};

void print_changes(Session& session, const fs::path& file, const std::vector<LockChange>& changes) {
  if (session.output == Session::Output::json) {
    nlohmann::ordered_json json = {{"version", 1}, {"lock", file.native()}, {"changes", nlohmann::json::array()}};
    for (const LockChange& change : changes) {
      json["changes"].push_back({{"name", change.name}, {"old", change.before}, {"new", change.now}});
    }
    return session.print(json.dump());
  }
  std::vector<std::vector<std::string>> rows = {{"package", "old", "new"}};
  for (const LockChange& change : changes) {
    rows.push_back({change.name, change.before.empty() ? "-" : change.before, change.now.empty() ? "-" : change.now});
  }
  if (changes.empty()) return session.print(file.native() + ": nothing changed");
  for (const std::string& line : table_lines(rows)) session.print(line);
}

/// The plans of one role, or of all.
std::vector<Plan> plans_of(const Project& project, const LockOptions& options) {
  if (!options.plan.role.empty()) return {make_plan(project, options.environment, options.plan)};
  return make_plans(project, options.environment, options.plan);
}

void run(Session& session, LockOptions options) {
  const Project project = find_project();
  options.plan.output_root = output_root_or_default(project, {});
  const std::vector<Plan> plans = plans_of(project, options);
  const fs::path file = lock_path(options.environment);
  const LockFile before = read_lock_file(file).value_or(LockFile{});
  options.build.backend = require_host(plans, 1, find_cache(), session.runner(), session.status());
  options.build.proxy = options.build.base.fetch.proxy;
  const Cache cache = open_cache();
  if (options.build.backend == TreeBackend::native_unprivileged) {
    enter_build_namespace(cache, lacks_base(plans, cache) ? Appliance::used : Appliance::unused, session.runner(), session.status());
  }
  LockFile lock = make_lock(plans, cache, options.build, session.runner(), session.status());
  if (!options.plan.role.empty()) lock = merged(before, lock);
  if (to_text(lock) != to_text(before)) io::write_file(file, to_text(lock), 0644);
  print_changes(session, file, changes(before, lock));
}

}  // namespace

void add_lock_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<LockOptions>();
  CLI::App* command = app.add_subcommand("lock", "Pin base and packages of a deployment to those of now");
  command->add_option("role", options->plan.role, "Only this role's; what the others have stays");
  command->add_option("--env", options->environment, "Environment file of the deployment")->required();
  add_base_options(*command, options->build.base);
  command->add_option("--base", options->plan.base, "Base, in place of the environment's or recipes'");
  command->callback([options, &session] { run(session, *options); });
}

}  // namespace imgbuild
