#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "cli/find_machine.h"
#include "cli/ops_files.h"
#include "cli/table.h"
#include "recipe/port_matrix.h"
#include "recipe/read.h"
#include "util/error.h"
#include "util/io.h"

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

void firewall(Session& session, const FirewallOptions& options) {
  const Project project = find_project();
  Problems problems;
  const Environment environment = read_environment(project, options.environment, problems);
  problems.throw_if_any();
  if (options.machine) (void)require_machine(environment, *options.machine);
  std::vector<PortRow> rows = port_matrix(project, environment, problems);
  problems.throw_if_any();
  if (options.machine) std::erase_if(rows, [&](const PortRow& row) { return row.to != *options.machine; });
  if (session.output == Session::Output::json) return session.print(to_json(environment, rows).dump());
  print_table(session, rows);
}

struct FileOptions {
  fs::path environment;
  fs::path output_root;
  OpsInput::Address address = OpsInput::Address::private_ip;
  OpsInput::Cloudflare cloudflare = OpsInput::Cloudflare::no;
  std::optional<std::string> primary;
};

/// The web server that was named, else the one that is the primary until a first promotion.
const Machine* primary_of(const Environment& environment, const std::optional<std::string>& named) {
  if (!named) {
    const auto master = std::ranges::find(environment.machines, kMasterRole, &Machine::role);
    return master == environment.machines.end() ? nullptr : &*master;
  }
  (void)require_machine(environment, *named);  // for what it says
  const Machine* machine = find_machine(environment, *named);
  if (is_web(machine->role)) return machine;
  throw Error(ExitCode::bad_input, "--primary: '{}' has the role '{}', must be a web server", *named, machine->role);
}

void write_files(Session& session, const FileOptions& options) {
  if (options.environment.empty()) throw Error(ExitCode::usage, "ops needs --env FILE, or a command such as firewall");
  const Project project = find_project();
  Problems problems;
  const Environment environment = read_environment(project, options.environment, problems);
  problems.throw_if_any();
  const std::vector<PortRow> ports = port_matrix(project, environment, problems);
  problems.throw_if_any();
  const fs::path folder = output_root_or_default(project, options.output_root) / environment.deployment / "ops";
  const auto whole = [](const fs::path& path) { return path.empty() ? path : fs::absolute(path).lexically_normal(); };
  const OpsInput input = {.environment = environment, .ports = ports, .checkout = whole(project.root), .folder = whole(folder),
                          .environment_file = whole(environment.file), .output_root = whole(options.output_root),
                          .address = options.address, .cloudflare = options.cloudflare, .primary = primary_of(environment, options.primary)};
  const std::vector<OpsFile> files = ops_files(input);  // all are made before the first is written
  io::make_directories(folder, 0755);
  for (const OpsFile& file : files) {
    io::write_file(folder / file.name, file.content, 0644);
    session.print((folder / file.name).native());
  }
  if (options.cloudflare == OpsInput::Cloudflare::yes) {
    session.status().note("only the security groups are closed to others: the machines' own firewalls stay open to all on 80, 443 and 8443");
  }
}

}  // namespace

void add_ops_command(CLI::App& app, Session& session) {
  const auto files = std::make_shared<FileOptions>();
  CLI::App* command = app.add_subcommand("ops", "Files for those who run the machines: ssh, tmux, security groups, backups, runbook");
  command->require_subcommand(0, 1);
  command->fallthrough();
  command->add_option("--env", files->environment, "Environment file of the deployment");
  command->add_option("-o,--output", files->output_root, "Folder of the deployment's folder (default: output/ of the project)");
  command->add_flag_callback("--public", [files] { files->address = OpsInput::Address::public_ip; }, "Reach machines at their public addresses");
  command->add_flag_callback(
      "--cloudflare", [files] { files->cloudflare = OpsInput::Cloudflare::yes; },
      "Security groups: what is open to the world on 80, 443 and 8443 is open to Cloudflare only");
  command->add_option("--primary", files->primary, "Web server that is the primary now (default: the web-master)");
  command->callback([command, files, &session] {
    if (command->get_subcommands().empty()) write_files(session, *files);
  });
  const auto options = std::make_shared<FirewallOptions>();
  CLI::App* table = command->add_subcommand("firewall", "Every port that the machines' firewalls open, and to whom");
  table->add_option("--env", options->environment, "Environment file of the deployment")->required();
  table->add_option("--machine", options->machine, "Only the ways into this machine");
  table->callback([options, &session] { firewall(session, *options); });
}

}  // namespace imgbuild
