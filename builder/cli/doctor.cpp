#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "build/cache.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "recipe/project.h"
#include "util/error.h"
#include "util/host.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

// A base to be made and an image of it: see build/host_needs.cpp.
constexpr ByteSize kTypicalCacheBytes = 5500_MiB;
constexpr ByteSize kTypicalOutputBytes = 1_GiB;

constexpr std::array<const char*, 3> kVerdictNames = {"ok", "warning", "failed"};

struct DoctorOptions {
  fs::path output_root;
  HostRequest::Want mirrors = HostRequest::Want::yes;
};

const char* verdict_name(const HostCheck& check) {
  return kVerdictNames.at(static_cast<std::size_t>(check.verdict));
}

fs::path output_folder(const DoctorOptions& options) {
  try {
    return options.output_root.empty() ? output_root_or_default(find_project(), {}) : options.output_root;
  } catch (const Error&) {
    return ".";  // the host can be judged outside a project
  }
}

void print_text(Session& session, const std::vector<HostCheck>& checks) {
  for (const HostCheck& check : checks) {
    session.print(fmt::format("{:<8} {:<20} {}", verdict_name(check), check.name, check.finding));
    if (!check.cure.empty()) session.print(fmt::format("{:<8} {:<20} cure: {}", "", "", check.cure));
  }
}

void print_json(Session& session, const std::vector<HostCheck>& checks) {
  nlohmann::json list = nlohmann::json::array();
  for (const HostCheck& check : checks) {
    list.push_back({{"name", check.name},
                    {"verdict", verdict_name(check)},
                    {"finding", check.finding},
                    {"cure", check.cure}});
  }
  session.print(
      nlohmann::json{{"checks", list}}.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

void run(Session& session, const DoctorOptions& options) {
  HostRequest request;
  request.cache = open_cache().root;
  request.cache_bytes = kTypicalCacheBytes;
  request.output = output_folder(options);
  request.output_bytes = kTypicalOutputBytes;
  request.machine = HostRequest::Want::yes;
  request.versions = HostRequest::Want::yes;
  request.mirrors = options.mirrors;
  const std::vector<HostCheck> checks = check_host(request, session.runner(), session.status());
  session.output == Session::Output::json ? print_json(session, checks) : print_text(session, checks);
  const auto failed = std::count_if(checks.begin(), checks.end(), [](const HostCheck& check) {
    return check.verdict == HostCheck::Verdict::failed;
  });
  if (failed != 0) throw Error(ExitCode::host_unfit, "{} of {} checks failed", failed, checks.size());
}

}  // namespace

void add_doctor_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* command =
      app.add_subcommand("doctor", "Can this host do the job, how fast, and what to change if not");
  command->add_option("-o,--output", options->output_root, "Folder that outputs would go to");
  command->add_flag_callback(
      "--offline", [options] { options->mirrors = HostRequest::Want::no; }, "Do not ask the package mirrors");
  command->callback([options, &session] { run(session, *options); });
}

}  // namespace imgbuild
