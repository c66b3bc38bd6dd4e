#include "build/explain.h"

#include <nlohmann/json.hpp>

#include "build/cache.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "cli/table.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct ExplainOptions {
  PlanOptions plan;
  fs::path environment;
};

const char* name_of(ExplainedStep::Layer layer) { return layer == ExplainedStep::Layer::hit ? "hit" : "miss"; }

/// A list of packages fills lines; its beginning is enough to know the step by.
std::string shortened(const std::string& text) {
  constexpr std::size_t kMost = 60;
  return text.size() <= kMost ? text : text.substr(0, kMost - 1) + "…";
}

void print_table(Session& session, const std::vector<ExplainedStep>& steps) {
  std::vector<std::vector<std::string>> rows = {{"STEP", "LAYER", "", "WHY"}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::vector<std::string>& reasons = steps[i].reasons;
    rows.push_back({fmt::format("{}", i + 1), name_of(steps[i].layer), shortened(steps[i].step), reasons.empty() ? "" : reasons.front()});
    for (std::size_t k = 1; k < reasons.size(); ++k) rows.push_back({"", "", "", reasons[k]});
  }
  for (const std::string& line : table_lines(rows)) session.print(line);
}

void print_json(Session& session, const Plan& plan, const std::vector<ExplainedStep>& steps) {
  nlohmann::ordered_json list = nlohmann::json::array();
  for (const ExplainedStep& step : steps) list.push_back({{"step", step.step}, {"layer", name_of(step.layer)}, {"reasons", step.reasons}});
  session.print(nlohmann::ordered_json{{"version", 1}, {"role", plan.recipe.role}, {"base", plan.base}, {"steps", list}}.dump());
}

void run(Session& session, ExplainOptions options) {
  const Project project = find_project();
  options.plan.output_root = output_root_or_default(project, options.plan.output_root);
  const Plan plan = make_plan(project, options.environment, options.plan);
  const Cache cache = find_cache();
  const std::vector<ExplainedStep> steps =
      explain(plan, load_base(cache.bases(), plan.base, BaseCheck::record), LayerStore(cache.layers()), find_last_build(cache, plan));
  if (session.output == Session::Output::json) return print_json(session, plan, steps);
  print_table(session, steps);
}

}  // namespace

void add_explain_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<ExplainOptions>();
  CLI::App* command = app.add_subcommand("explain", "Which steps of a role's image would run, and what changed since it was last made");
  command->add_option("role", options->plan.role, "Name of a recipe: recipes/ROLE.yml")->required();
  add_deployment_options(*command, options->environment, options->plan.output_root);
  command->add_option("--base", options->plan.base, "Base, in place of the environment's or recipe's");
  options->plan.lock = PlanOptions::Lock::used;
  command->callback([options, &session] { run(session, *options); });
}

}  // namespace imgbuild
