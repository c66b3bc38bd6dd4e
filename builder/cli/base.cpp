#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

#include "base/source.h"
#include "build/base_supply.h"
#include "build/unprivileged.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "util/error.h"
#include "util/suggest.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct BaseCommandOptions {
  BaseOptions base;
  std::string name;
  std::string disk;
};

void print_base(Session& session, const Base& base) {
  if (session.output == Session::Output::json) {
    session.print(nlohmann::ordered_json{{"name", base.name}, {"digest", base.digest}, {"distribution", base.distribution},
                                         {"release", base.release}, {"folder", base.folder}, {"origin", base.origin}}
                      .dump());
    return;
  }
  session.print(fmt::format("{}  {} {}  {:.16}  {}", base.name, base.distribution, base.release, base.digest, base.folder.native()));
}

void list(Session& session) {
  const std::vector<Base> cached = list_bases(find_cache().bases());
  for (const Base& base : cached) print_base(session, base);
  if (session.output == Session::Output::json) return;
  for (const BaseSource& source : list_sources()) {
    const bool is_cached = std::ranges::any_of(cached, [&](const Base& base) { return base.name == source.name; });
    if (!is_cached) session.print(fmt::format("{}  not fetched  {}", source.name, source.description));
  }
}

void provide(Session& session, const std::string& name, BaseOptions options) {
  options.refresh = BaseOptions::Refresh::yes;
  const Cache cache = open_cache();
  enter_build_namespace(cache, Appliance::used, session.runner(), session.status());
  print_base(session, provide_base(name, cache, options, session.runner(), session.status()));
}

void fetch_published(Session& session, const BaseCommandOptions& options) {
  if (find_source(options.name) == nullptr) {
    std::vector<std::string> names;
    for (const BaseSource& source : list_sources()) names.push_back(source.name);
    throw Error(ExitCode::bad_input, "no published base '{}'{}", options.name, did_you_mean(options.name, names));
  }
  provide(session, options.name, options.base);
}

void import_local(Session& session, const BaseCommandOptions& options) {
  if (!fs::is_regular_file(options.disk)) throw Error(ExitCode::bad_input, "disk image '{}' is no file", options.disk);
  provide(session, fs::absolute(options.disk).lexically_normal().native(), options.base);
}

}  // namespace

void add_base_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<BaseCommandOptions>();
  CLI::App* command = app.add_subcommand("base", "Bases: list, bootstrap, fetch, import");
  command->require_subcommand(1);
  command->fallthrough();
  command->add_subcommand("list", "Bases in the cache, and those that can be fetched")->callback([&session] { list(session); });

  CLI::App* bootstrap = command->add_subcommand("bootstrap", "Make a base from this host's package mirror");
  add_base_options(*bootstrap, options->base);
  bootstrap->callback([options, &session] { provide(session, "bootstrap", options->base); });

  CLI::App* fetch = command->add_subcommand("fetch", "Get a published cloud image, verify and import it");
  fetch->add_option("name", options->name, "Such as ubuntu-24.04")->required();
  add_base_options(*fetch, options->base);
  fetch->callback([options, &session] { fetch_published(session, *options); });

  CLI::App* import = command->add_subcommand("import", "Import a local disk image of any format QEMU reads");
  import->add_option("disk", options->disk, "The image file; recipes and environments name it as `base:`")->required();
  import->callback([options, &session] { import_local(session, *options); });
}

}  // namespace imgbuild
