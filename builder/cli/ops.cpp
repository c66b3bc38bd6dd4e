#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "cli/table.h"
#include "recipe/port_matrix.h"
#include "recipe/read.h"
#include "util/error.h"
#include "util/suggest.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using json = nlohmann::ordered_json;

struct FirewallOptions {
  fs::path environment;
  std::optional<std::string> machine;
};

const char* when(const PortRow& row) { return row.opens == PortRow::Opens::always ? "always" : "when ready"; }

/// "ops 192.168.50.1/32, prod-s2 192.168.50.5/32".
std::string sources_text(const PortRow& row) {
  std::vector<std::string> texts;
  for (const PortSource& source : row.from) {
    texts.push_back(source.network.empty() ? source.name : source.name + ' ' + source.network);
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// The world is two networks to those who write rules of it.
json sources_json(const PortRow& row) {
  json sources = json::array();
  for (const PortSource& source : row.from) {
    const std::vector<std::string> networks =
        source.network.empty() ? std::vector<std::string>{"0.0.0.0/0", "::/0"} : std::vector{source.network};
    for (const std::string& network : networks) sources.push_back({{"name", source.name}, {"network", network}});
  }
  return sources;
}

json to_json(const Environment& environment, const std::vector<PortRow>& rows) {
  json list = json::array();
  for (const PortRow& row : rows) {
    const Machine& machine = *find_machine(environment, row.to);
    list.push_back({{"to", row.to},
                    {"role", machine.role},
                    {"external", machine.external == Machine::External::yes},
                    {"private_ip", machine.private_ip},
                    {"public_ip", machine.public_ip.empty() ? json(nullptr) : json(machine.public_ip)},
                    {"port", row.port},
                    {"protocol", row.protocol},
                    {"from", sources_json(row)},
                    {"when", when(row)},
                    {"payload", row.payload == PortRow::Payload::yes}});
  }
  return {{"deployment", environment.deployment}, {"rows", list}};
}

void print_table(Session& session, const std::vector<PortRow>& rows) {
  std::vector<std::vector<std::string>> cells = {{"to", "port", "opens", "for", "from"}};
  for (const PortRow& row : rows) {
    const char* listener = row.payload == PortRow::Payload::yes ? "payload" : "appliance";
    cells.push_back({row.to, fmt::format("{}/{}", row.port, row.protocol), when(row), listener, sources_text(row)});
  }
  for (const std::string& line : table_lines(cells)) session.print(line);
}

void check_machine(const Environment& environment, const std::string& name) {
  if (find_machine(environment, name) != nullptr) return;
  std::vector<std::string> names;
  for (const Machine& machine : environment.machines) names.push_back(machine.name);
  throw Error(ExitCode::bad_input, "{}: there is no machine '{}'{}", environment.file.native(), name,
              did_you_mean(name, names));
}

void firewall(Session& session, const FirewallOptions& options) {
  const Project project = find_project();
  Problems problems;
  const Environment environment = read_environment(project, options.environment, problems);
  problems.throw_if_any();
  if (options.machine) check_machine(environment, *options.machine);
  std::vector<PortRow> rows = port_matrix(project, environment, problems);
  problems.throw_if_any();
  if (options.machine) std::erase_if(rows, [&](const PortRow& row) { return row.to != *options.machine; });
  if (session.output == Session::Output::json) return session.print(to_json(environment, rows).dump());
  print_table(session, rows);
}

}  // namespace

void add_ops_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<FirewallOptions>();
  CLI::App* command = app.add_subcommand("ops", "What those who run the machines need: firewall");
  command->require_subcommand(1);
  command->fallthrough();
  CLI::App* table = command->add_subcommand("firewall", "Every port that the machines' firewalls open, and to whom");
  table->add_option("--env", options->environment, "Environment file of the deployment")->required();
  table->add_option("--machine", options->machine, "Only the ways into this machine");
  table->callback([options, &session] { firewall(session, *options); });
}

}  // namespace imgbuild
