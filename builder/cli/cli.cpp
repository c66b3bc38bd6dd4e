#include "cli/cli.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <map>

#include "cli/commands.h"
#include "cli/session.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/suggest.h"

namespace imgbuild {
namespace {

const std::map<std::string, ProgressMode> kProgressModes = {
    {"auto", ProgressMode::automatic}, {"plain", ProgressMode::plain}, {"json", ProgressMode::json}};

void add_common_options(CLI::App& app, Session& session) {
  app.set_version_flag("--version", "imgbuild " IMGBUILD_VERSION);
  app.add_option("--progress", session.progress, "How progress is shown: auto, plain or json")
      ->transform(CLI::CheckedTransformer(kProgressModes).description("auto|plain|json"));
  app.add_flag_callback(
      "--json", [&session] { session.output = Session::Output::json; }, "Results on stdout and events on stderr as JSON");
  app.require_subcommand(1);
  app.fallthrough();  // common options may stand after the command
  app.footer("Exit status: 0 done, 1 a step failed, 2 usage, 3 bad input, 4 verification failed, 5 this host cannot,\n"
             "6 network, 7 machine not ready, 130/143 interrupted.");
}

void print_error(std::string_view text) {
  std::fprintf(stderr, "imgbuild: %.*s\n", static_cast<int>(text.size()), text.data());
}

/// The first word that is no option, when it is no command.
void explain_unknown_command(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("-")) continue;
    if (std::find(names.begin(), names.end(), word) != names.end()) return;
    print_error(fmt::format("unknown command '{}'{}", word, did_you_mean(word, names)));
    return;
  }
}

int usage_error(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  explain_unknown_command(app, argc, argv);
  print_error(error.what());
  std::fputs("hint: imgbuild --help, or imgbuild COMMAND --help\n", stderr);
  return static_cast<int>(ExitCode::usage);
}

/// Secrets pass through this process: no core dump, no reading of our memory by others of our user.
void keep_memory_private() {
  const rlimit no_core = {0, 0};
  (void)::setrlimit(RLIMIT_CORE, &no_core);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  catch_interrupts();
  keep_memory_private();
  Session session;
  CLI::App app{"Builds appliance images and the seeds of their machines", "imgbuild"};
  add_common_options(app, session);
  add_recipe_command(app, session);
  add_deployment_command(app, session);
  add_seed_command(app, session);
  add_base_command(app, session);
  add_boot_command(app, session);
  add_explain_command(app, session);
  add_cache_command(app, session);
  add_doctor_command(app, session);
  add_peers_command(app, session);
  add_ami_command(app, session);
  add_ops_command(app, session);
  add_lock_command(app, session);
  add_bundle_command(app, session);
  add_verify_command(app, session);
  add_sign_command(app, session);
  add_inspect_command(app, session);
  add_diff_command(app, session);
  try {
    app.parse(argc, argv);
    return static_cast<int>(ExitCode::done);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error, argc, argv);
  } catch (const Interrupted& interrupted) {
    session.forget_stage();
    print_error("interrupted; nothing half-made was kept");
    return 128 + interrupted.signal;
  } catch (const Error& error) {
    session.forget_stage();
    print_error(error.describe());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    session.forget_stage();
    print_error(error.what());
    return static_cast<int>(ExitCode::step_failed);
  }
}

}  // namespace imgbuild
