#include "build/plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "build/locked_plan.h"
#include "image/format.h"
#include "recipe/read.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/problems.h"
#include "util/suggest.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// A change in how imgbuild itself makes images changes this number, and with it every plan.
constexpr std::string_view kImageRules = "imgbuild image rules 3";

std::vector<PlannedStep> plan_steps(const Recipe& recipe) {
  std::vector<PlannedStep> planned;
  for (const Step& step : recipe.steps) {
    std::vector<StepInput> inputs = inputs_of(step);
    std::string digest = digest_of(step, inputs);
    planned.push_back({.step = step, .inputs = std::move(inputs), .digest = std::move(digest)});
  }
  return planned;
}

/// Roles that differ only in settings share one image: the image says which they are.
std::vector<std::string> roles_of_image(const Project& project, const Recipe& recipe) {
  std::vector<std::string> roles;
  for (const std::string& role : list_roles(project)) {
    Problems ignored;  // a broken recipe of another role is reported when that role is built
    const Recipe other = read_recipe(project, role, ignored);
    const bool is_same = other.steps == recipe.steps && other.seed == recipe.seed && other.disk == recipe.disk && other.base == recipe.base;
    if (role == recipe.role || (ignored.empty() && is_same)) roles.push_back(role);
  }
  return roles;
}

const Machine& machine_named(const Environment& environment, const std::string& name) {
  if (const Machine* machine = find_machine(environment, name)) return *machine;
  std::vector<std::string> names;
  for (const Machine& machine : environment.machines) names.push_back(machine.name);
  throw Error(ExitCode::bad_input, "{}: there is no machine '{}'{}", environment.file.native(), name, did_you_mean(name, names));
}

std::vector<PlannedMachine> plan_machines(const Recipe& recipe, const Environment& environment, const PlanOptions& options) {
  if (options.machine) {
    const Machine& machine = machine_named(environment, *options.machine);
    if (machine.role != recipe.role) {
      throw Error(ExitCode::bad_input, "machine '{}' is a '{}', not a '{}'", machine.name, machine.role, recipe.role);
    }
  }
  std::vector<PlannedMachine> machines;
  for (const Machine& machine : environment.machines) {
    if (machine.role != recipe.role || machine.external == Machine::External::yes) continue;
    if (options.machine && machine.name != *options.machine) continue;
    machines.push_back({machine, resolve_settings(recipe, environment)});
  }
  if (machines.empty()) {
    throw Error(ExitCode::bad_input, "{}: no machine of role '{}' is ours to build", environment.file.native(), recipe.role);
  }
  return machines;
}

/// The machines of ours whose seeds are of the same template as the recipe's.
std::vector<Machine> group_of(const Project& project, const Recipe& recipe, const Environment& environment) {
  std::vector<Machine> group;
  for (const Machine& machine : environment.machines) {
    if (machine.external == Machine::External::yes) continue;
    Problems none;  // the environment was read without problems, and with it the recipes of its roles
    if (read_recipe(project, machine.role, none).seed == recipe.seed) group.push_back(machine);
  }
  return group;
}

/// The roles of the machines that are ours, each once.
std::vector<std::string> roles_of(const Environment& environment, const PlanOptions& options) {
  std::vector<std::string> roles;
  for (const Machine& machine : environment.machines) {
    if (machine.external == Machine::External::yes) continue;
    if (options.machine && machine.name != *options.machine) continue;
    if (std::ranges::find(roles, machine.role) == roles.end()) roles.push_back(machine.role);
  }
  if (!roles.empty()) return roles;
  if (options.machine) (void)machine_named(environment, *options.machine);  // throws for an unknown one
  if (options.machine) throw Error(ExitCode::bad_input, "{}: machine '{}' is external: somebody else builds it", environment.file.native(), *options.machine);
  throw Error(ExitCode::bad_input, "{}: no machine is ours to build", environment.file.native());
}

std::string planned_base(const Recipe& recipe, const Environment& environment, const PlanOptions& options) {
  if (!options.base) return environment.base.value_or(recipe.base);
  const auto& known = known_bases();
  if (std::ranges::find(known, *options.base) != known.end()) return *options.base;
  if (options.base->find('/') == std::string::npos) {
    throw Error(ExitCode::bad_input, "unknown base '{}'{}", *options.base, did_you_mean(*options.base, known))
        .set_hint("a path of a disk image holds a '/', such as ./disk.qcow2");
  }
  if (!fs::is_regular_file(*options.base)) throw Error(ExitCode::bad_input, "base '{}' is no file", *options.base);
  return fs::absolute(*options.base).lexically_normal().native();
}

void use_lock(Plan& plan, const PlanOptions& options) {
  const fs::path file = lock_path(plan.environment.file);
  if (const std::optional<LockFile> lock = read_lock_file(file)) return pin(plan, *lock, file);
  if (options.lock != PlanOptions::Lock::required) return;
  throw Error(ExitCode::bad_input, "{}: there is no lock", file.native())
      .set_hint(fmt::format("imgbuild lock --env {}", plan.environment.file.native()));
}

}  // namespace

Plan make_plan(const Project& project, const fs::path& environment_file, const PlanOptions& options) {
  Problems problems;
  Recipe recipe = read_recipe(project, options.role, problems);
  Environment environment = read_environment(project, environment_file, problems);
  problems.throw_if_any();
  Plan plan;
  plan.machines = plan_machines(recipe, environment, options);
  plan.formats = choose_formats(options.formats.empty() ? recipe.formats : options.formats, recipe.disk);
  plan.base = planned_base(recipe, environment, options);
  plan.group = group_of(project, recipe, environment);
  plan.roles = roles_of_image(project, recipe);
  plan.steps = plan_steps(recipe);
  plan.output = options.output_root / environment.deployment;
  plan.recipe = std::move(recipe);
  plan.environment = std::move(environment);
  if (options.lock != PlanOptions::Lock::ignored) use_lock(plan, options);
  return plan;
}

std::vector<Plan> make_plans(const Project& project, const fs::path& environment_file, const PlanOptions& options) {
  Problems problems;
  const Environment environment = read_environment(project, environment_file, problems);
  problems.throw_if_any();
  std::vector<Plan> plans;
  for (const std::string& role : roles_of(environment, options)) {
    PlanOptions of_role = options;
    of_role.role = role;
    plans.push_back(make_plan(project, environment_file, of_role));
  }
  return plans;
}

std::string plan_digest(const Plan& plan, const std::string& base_digest) {
  Sha256 hash;
  hash.update_field(kImageRules);
  hash.update_field(IMGBUILD_VERSION);
  hash.update_field(base_digest);
  hash.update_field(fmt::format("{}", plan.recipe.disk.bytes));
  hash.update_field(plan.recipe.seed);
  for (const std::string& role : plan.roles) hash.update_field(role);
  for (const PlannedStep& step : plan.steps) hash.update_field(step.digest);
  return hash.hex();
}

std::string describe(const Plan& plan) {
  std::string text = fmt::format("role {}: {}\n", plan.recipe.role, plan.recipe.description);
  if (plan.roles.size() > 1) text += fmt::format("image: the same for {}\n", fmt::join(plan.roles, ", "));
  text += fmt::format("base: {}\ndisk: {}\nformats: {}\nsteps:\n", plan.base, format_byte_size(plan.recipe.disk), fmt::join(plan.formats, ", "));
  int number = 0;
  for (const PlannedStep& step : plan.steps) text += fmt::format("  {}. {}\n", ++number, describe(step.step));
  text += "machines:\n";
  for (const PlannedMachine& planned : plan.machines) {
    text += fmt::format("  {} ({})\n", planned.machine.name, planned.machine.private_ip);
    for (const auto& [name, value] : planned.settings.values) text += fmt::format("    {}: {}\n", name, value);
    for (const auto& [name, value] : planned.settings.secrets) {
      text += fmt::format("    {}: *** ({})\n", name, value ? "environment file" : "vault");
    }
  }
  text += fmt::format("outputs in {}", plan.output.native());
  return text;
}

std::string to_json(const Plan& plan) {
  using Json = nlohmann::ordered_json;
  Json steps = Json::array();
  for (const PlannedStep& step : plan.steps) steps.push_back({{"step", describe(step.step)}, {"digest", step.digest}});
  Json machines = Json::array();
  for (const PlannedMachine& planned : plan.machines) {
    Json settings = planned.settings.values;
    for (const auto& [name, value] : planned.settings.secrets) settings[name] = "***";
    machines.push_back({{"name", planned.machine.name}, {"private_ip", planned.machine.private_ip}, {"settings", settings}});
  }
  return Json{{"version", 1}, {"role", plan.recipe.role}, {"base", plan.base}, {"disk", plan.recipe.disk.bytes},
              {"formats", plan.formats}, {"steps", steps}, {"machines", machines}, {"output", plan.output.native()}}
      .dump();
}

}  // namespace imgbuild
