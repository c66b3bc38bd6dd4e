#include "tree/apt.h"

#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

const std::string kCache = "/var/cache/apt";
const std::string kArchives = "/var/cache/apt/archives";
const std::string kLists = "/var/lib/apt/lists";
const std::string kConfiguration = "/imgbuild.conf";

}  // namespace

Apt::Apt(Guest& guest, const fs::path& folder, const std::string& configuration) : guest_(guest), folder_(folder) {
  // apt's download processes run as a user of their own and must be able to walk here.
  for (const fs::path& made : {cache() / "archives/partial", archives() / "partial", lists() / "partial"}) {
    io::make_directories(made, 0755);
  }
  io::write_file(cache() / kConfiguration.substr(1), configuration, 0644);
}

CommandResult Apt::run(AptStage stage, const std::vector<std::string>& arguments, const OnLine& on_line) {
  std::vector<std::string> lines;
  GuestCommand command{.program = "apt-get", .arguments = arguments};
  if (stage == AptStage::update) command.network = GuestCommand::Network::yes;
  command.environment = {"APT_CONFIG=" + kCache + kConfiguration};
  command.shared = {{cache(), kCache}, {lists(), kLists}};
  if (stage == AptStage::install) command.shared.push_back({archives(), kArchives});  // much to carry for some backends
  command.on_line = [&](std::string_view line) {
    lines.emplace_back(line);
    if (on_line) on_line(line);
  };
  CommandResult result = guest_.run(command);
  if (!result.succeeded()) throw apt_error(stage, lines);
  return result;
}

std::vector<std::string> apt_request(const std::vector<std::string>& install, const std::vector<std::string>& remove,
                                     PackagesStep::Upgrade upgrade) {
  std::vector<std::string> request = {upgrade == PackagesStep::Upgrade::yes ? "dist-upgrade" : "install", "--purge", "--"};
  request.insert(request.end(), install.begin(), install.end());
  for (const std::string& name : remove) request.push_back(name + "-");
  return request;
}

}  // namespace imgbuild
