#include <nlohmann/json.hpp>

#include "build/bundle.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

struct BundleOptions {
  PlanOptions plan;
  fs::path environment;
  fs::path import;
  fs::path output;
  std::string sha256;
  std::string proxy;
};

void write(Session& session, BundleOptions options) {
  if (!options.sha256.empty()) throw Error(ExitCode::usage, "--sha256 says something only with --import");
  const Project project = find_project();
  options.plan.output_root = output_root_or_default(project, {});
  options.plan.lock = PlanOptions::Lock::required;
  const std::vector<Plan> plans = make_plans(project, options.environment, options.plan);
  const std::string name = plans.front().environment.deployment + ".bundle";
  const fs::path file = options.output.empty() ? fs::path(name) : options.output;
  const WrittenBundle written = write_bundle(project, plans, file, open_cache(), options.proxy, session.status());
  if (session.output == Session::Output::json) {
    session.print(Json{{"version", 1}, {"bundle", file.native()}, {"sha256", written.sha256}, {"packages", written.packages},
                       {"size", written.size}}.dump());
    return;
  }
  session.print(fmt::format("{}  {}", written.sha256, file.native()));
}

void import(Session& session, const BundleOptions& options) {
  const std::optional<std::string> sha256 = options.sha256.empty() ? std::nullopt : std::optional(options.sha256);
  const std::optional<fs::path> folder = options.output.empty() ? std::nullopt : std::optional(options.output);
  const ImportedBundle imported = import_bundle(options.import, sha256, folder, open_cache(), session.status());
  if (session.output == Session::Output::json) {
    Json json = {{"version", 1}, {"deployment", imported.deployment}, {"bases", imported.bases}, {"packages", imported.packages}};
    if (folder) json["project"] = folder->native();
    return session.print(json.dump());
  }
  for (const std::string& base : imported.bases) session.print("base " + base);
  session.print(fmt::format("{} packages", imported.packages));
  if (folder) session.print(folder->native());
}

}  // namespace

void add_bundle_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<BundleOptions>();
  CLI::App* command = app.add_subcommand("bundle", "Everything a build needs without a network, in one file");
  CLI::Option* environment = command->add_option("--env", options->environment, "Environment file of the deployment to pack, which has a lock");
  command->add_option("--import", options->import, "Bundle to check and to put into the cache")->excludes(environment);
  command->add_option("-o,--output", options->output, "The bundle's file (default: DEPLOYMENT.bundle); with --import: new folder for its project files");
  command->add_option("--sha256", options->sha256, "With --import: only the bundle with this digest");
  command->add_option("--proxy", options->proxy, "Proxy for packages that the cache lacks (default: https_proxy)");
  command->callback([options, &session] {
    if (!options->import.empty()) return import(session, *options);
    if (options->environment.empty()) throw Error(ExitCode::usage, "bundle: --env FILE or --import FILE is required");
    write(session, *options);
  });
}

}  // namespace imgbuild
