#include "cli/ami.h"

#include <algorithm>

#include "cli/commands.h"
#include "util/error.h"

namespace imgbuild {
namespace {

/// Regions become parts of host names and paths.
bool is_region(const std::string& text) {
  const auto is_fit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return text.size() >= 6 && text.size() <= 32 && std::ranges::all_of(text, is_fit) && std::ranges::count(text, '-') >= 2 && text.front() != '-';
}

}  // namespace

void add_ami_options(CLI::App& command, AmiOptions& options) {
  command.add_option("--region", options.regions, "AWS region, may be repeated (default: AWS_REGION, or the profile's)")->allow_extra_args(false);
  command.add_option("--profile", options.profile, "Profile of ~/.aws/config and ~/.aws/credentials");
}

std::vector<std::string> regions_of(const AmiOptions& options) {
  std::vector<std::string> regions = options.regions;
  if (regions.empty()) {
    const std::optional<std::string> configured = configured_region(options.profile);
    if (!configured) throw Error(ExitCode::usage, "no AWS region is given").set_hint("say --region eu-central-1, or set AWS_REGION");
    regions.push_back(*configured);
  }
  for (const std::string& region : regions) {
    if (!is_region(region)) throw Error(ExitCode::usage, "'{}' is no AWS region", region).set_hint("one is eu-central-1");
  }
  return regions;
}

AmiSession::AmiSession(Session& session, const AmiOptions& options)
    : session_(session), regions_(regions_of(options)), credentials_(find_credentials(options.profile, session.runner())) {}

Aws& AmiSession::in(const std::string& region) {
  std::unique_ptr<Aws>& client = clients_[region];
  if (!client) client = std::make_unique<Aws>(region, *credentials_, session_.status());
  return *client;
}

Aws& AmiSession::in_the_one() {
  if (regions_.size() > 1) throw Error(ExitCode::usage, "this works in one region, but {} were given", regions_.size());
  return in(regions_.front());
}

void add_ami_command(CLI::App& app, Session& session) {
  CLI::App* ami = app.add_subcommand("ami", "Images in EC2: upload, list, copy, share, delete; machines started from them");
  ami->require_subcommand(1);
  ami->fallthrough();
  add_ami_upload(*ami, session);
  add_ami_images(*ami, session);
  add_ami_launch(*ami, session);
}

}  // namespace imgbuild
