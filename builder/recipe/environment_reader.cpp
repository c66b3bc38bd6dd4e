#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "recipe/machine_reader.h"
#include "recipe/read.h"
#include "recipe/read_common.h"
#include "recipe/schema.h"
#include "recipe/ssh_key.h"
#include "recipe/text_rules.h"
#include "recipe/timezone.h"
#include "util/suggest.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;
using yaml::Fields;
using yaml::Node;

constexpr std::int64_t kVersion = 1;
constexpr const char* kZoneinfo = "/usr/share/zoneinfo";

/// A setting, and the role whose recipe declared it first.
struct DeclaredSetting {
  SettingDeclaration declaration;
  std::string role;
};

class EnvironmentReader {
 public:
  EnvironmentReader(const Project& project, const fs::path& file, Problems& problems)
      : project_(project), problems_(file.string(), problems) {
    environment_.file = file;
  }

  Environment read() {
    const std::optional<Node> root = read_document(environment_.file, problems_);
    if (!root) return std::move(environment_);
    const Fields fields(problems_, *root, "the environment", schema::kEnvironment);
    read_deployment(fields);
    read_ssh_keys(fields);
    const std::optional<Cidr> internal = read_network(fields);
    const std::vector<PlacedMachine> machines = read_machines(fields, internal);
    for (const PlacedMachine& placed : machines) environment_.machines.push_back(placed.machine);
    read_recipes(machines);
    read_settings(fields);
    for (const PlacedMachine& placed : machines) check_memory(placed);
    return std::move(environment_);
  }

 private:
  void read_deployment(const Fields& fields) {
    const std::optional<std::int64_t> version = fields.integer("version", 0, 1'000'000);
    if (version && *version != kVersion)
      fields.problem("version", fmt::format("must be {}, is '{}'", kVersion, *version));
    environment_.deployment = fields.text("deployment", rules::kDeployment).value_or("");
    environment_.domain = fields.text("domain", rules::kDomain).value_or("");
    environment_.base = read_base(fields, "base", environment_.file.parent_path());
    read_timezone(fields);
    environment_.keys = read_key_origin(fields).value_or(KeyOrigin::seed);
    if (fields.boolean("lab").value_or(false)) environment_.lab = Environment::Lab::yes;
  }

  /// A misspelt zone would stop the machine at its first boot, so it is looked up where this host can.
  void read_timezone(const Fields& fields) {
    const std::optional<std::string> zone = fields.text("timezone", rules::kTimezone);
    if (!zone) return;
    environment_.timezone = *zone;
    const bool can_tell =
        fs::exists(fs::path(kZoneinfo) / "UTC") && fs::exists(fs::path(kZoneinfo) / "Europe");
    if (!can_tell || fs::is_regular_file(fs::path(kZoneinfo) / *zone)) return;
    const std::string nearest = nearest_word(*zone, list_timezones(kZoneinfo));
    const std::string meant = nearest.empty() ? "" : ", did you mean " + shown(nearest) + "?";
    fields.problem("timezone", "unknown time zone " + shown(*zone) + meant);
  }

  void read_ssh_keys(const Fields& fields) {
    int number = 0;
    std::set<std::string> seen;
    for (const Node& node : fields.list("ssh_authorized_keys")) {
      const std::string where = fmt::format("ssh_authorized_keys {}", ++number);
      const std::optional<std::string> line = yaml::read_text(problems_, node, where);
      if (!line) continue;
      const std::string wrong = ssh_public_key_complaint(*line);
      if (!wrong.empty())
        problems_.add(node.at, where + ": " + wrong);
      else if (!seen.insert(line->substr(0, line->find(' ', line->find(' ') + 1))).second)
        problems_.add(node.at, where + ": is there twice");
      environment_.ssh_authorized_keys.push_back(*line);
    }
  }

  std::optional<Cidr> read_network(const Fields& fields) {
    const Node* node = fields.find("network");
    if (node == nullptr) return std::nullopt;
    const Fields network(problems_, *node, "network", schema::kNetwork, "network.");
    environment_.internal_network = network.text("internal", rules::kCidr).value_or("");
    environment_.ops_networks = network.texts("ops", rules::kCidr);
    const Node* ops = network.find("ops");
    if (ops != nullptr && ops->kind == yaml::Kind::list && ops->items.empty())
      network.problem("ops", "must hold at least one network, else nobody can log in");
    environment_.load_balancers = network.texts("load_balancers", rules::kCidr);
    return parse_cidr(environment_.internal_network);
  }

  std::vector<PlacedMachine> read_machines(const Fields& fields, const std::optional<Cidr>& internal) {
    const MachineRules rules{.roles = list_roles(project_),
                             .keys = environment_.keys,
                             .lab = environment_.lab,
                             .internal = internal};
    std::vector<PlacedMachine> machines;
    for (const Node& node : fields.list("machines")) {
      const int number = static_cast<int>(machines.size()) + 1;
      machines.push_back(
          {.machine = read_machine(problems_, node, number, rules), .node = &node, .number = number});
    }
    const Node* list = fields.find("machines");
    if (list != nullptr && list->kind == yaml::Kind::list && machines.empty())
      fields.problem("machines", "must hold at least one machine");
    number_web_machines(machines);
    check_machines(problems_, machines, rules);
    return machines;
  }

  /// The recipes of all machines that are built: what their settings are, and how large their disks must be.
  void read_recipes(const std::vector<PlacedMachine>& machines) {
    Problems found;
    all_settings_known_ = !machines.empty();
    for (const PlacedMachine& placed : machines) {
      const Machine& machine = placed.machine;
      if (machine.external == Machine::External::yes) continue;
      if (machine.role.empty())
        all_settings_known_ = false;
      else if (recipes_.count(machine.role) == 0)
        recipes_.emplace(machine.role, read_recipe(project_, machine.role, found));
    }
    if (!found.empty()) all_settings_known_ = false;
    for (const Problem& problem : found.sorted()) problems_.all().add(problem);
    for (const PlacedMachine& placed : machines) {
      const auto recipe = recipes_.find(placed.machine.role);
      if (recipe != recipes_.end()) check_disk(placed, recipe->second);
    }
    for (const auto& [role, recipe] : recipes_)
      for (const SettingDeclaration& declaration : recipe.settings) declare(declaration, role);
  }

  void check_disk(const PlacedMachine& placed, const Recipe& recipe) {
    const std::optional<ByteSize>& disk = placed.machine.disk;
    if (!disk || *disk >= recipe.disk) return;
    problems_.add(
        yaml::find(*placed.node, "disk")->at,
        fmt::format("machine {}: disk: {} is less than the image of role '{}' has, {}", placed.number,
                    format_byte_size(*disk), recipe.role, format_byte_size(recipe.disk)));
  }

  void declare(const SettingDeclaration& declaration, const std::string& role) {
    const auto [first, is_new] =
        declared_.emplace(declaration.name, DeclaredSetting{.declaration = declaration, .role = role});
    if (is_new || first->second.declaration.type == declaration.type) return;
    problems_.add({}, fmt::format("setting '{}' has different types in the recipes of '{}' and '{}'",
                                  declaration.name, first->second.role, role));
  }

  void read_settings(const Fields& fields) {
    const Node* node = fields.find("settings");
    if (node != nullptr)
      for (const yaml::Entry& entry : yaml::read_entries(problems_, *node, "settings")) read_setting(entry);
    for (const auto& [name, declared] : declared_) {
      const bool has_value =
          declared.declaration.default_value || declared.declaration.type == SettingType::secret;
      const bool given = node != nullptr && yaml::find(*node, name) != nullptr;
      if (!has_value && !given)
        fields.problem("settings", fmt::format("'{}' is missing, role '{}' needs it", name, declared.role));
    }
  }

  void read_setting(const yaml::Entry& entry) {
    const auto declared = declared_.find(entry.key);
    if (declared == declared_.end()) {
      if (all_settings_known_)
        problems_.add(entry.at, fmt::format("settings: unknown setting {}{}", shown(entry.key),
                                            did_you_mean(entry.key, setting_names())));
      return;
    }
    const std::string where = "settings: " + entry.key;
    std::optional<std::string> value =
        read_setting_value(problems_, entry.value, where, declared->second.declaration.type);
    if (value) environment_.settings.emplace(entry.key, Secret(*std::move(value)));
  }

  /// What a setting of bytes takes of the memory must leave enough of it.
  void check_memory(const PlacedMachine& placed) {
    const auto recipe = recipes_.find(placed.machine.role);
    if (recipe == recipes_.end() || placed.machine.external == Machine::External::yes) return;
    for (const SettingDeclaration& declaration : recipe->second.settings) {
      if (!declaration.leaves) continue;
      const std::optional<ByteSize> value = bytes_of(declaration);
      const ByteSize memory = placed.machine.memory.value_or(kDefaultMemory);
      if (!value || (memory >= *value && memory.bytes - value->bytes >= declaration.leaves->bytes)) continue;
      const Node* given = yaml::find(*placed.node, "memory");
      problems_.add(given == nullptr ? placed.node->at : given->at,
                    fmt::format("machine {}: memory: {}{} does not leave {} beside setting '{}' of {}", placed.number,
                                format_byte_size(memory), given == nullptr ? " (the default)" : "",
                                format_byte_size(*declaration.leaves), declaration.name, format_byte_size(*value)),
                    fmt::format("give the machine more memory, or lower '{}' in 'settings'", declaration.name));
    }
  }

  /// The setting's value in this environment; none if it has none or a wrong one.
  [[nodiscard]] std::optional<ByteSize> bytes_of(const SettingDeclaration& declaration) const {
    const auto given = environment_.settings.find(declaration.name);
    if (given == environment_.settings.end() && !declaration.default_value) return std::nullopt;
    const std::string& text =
        given == environment_.settings.end() ? *declaration.default_value : given->second.reveal();
    ByteSize size;
    const bool is_number = std::from_chars(text.data(), text.data() + text.size(), size.bytes).ec == std::errc();
    return is_number ? std::optional(size) : std::nullopt;  // of another type: said elsewhere
  }

  [[nodiscard]] std::vector<std::string> setting_names() const {
    std::vector<std::string> names;
    for (const auto& [name, declared] : declared_) names.push_back(name);
    return names;
  }

  const Project& project_;
  FileProblems problems_;
  Environment environment_;
  std::map<std::string, Recipe> recipes_;  ///< of all roles that are built here
  std::map<std::string, DeclaredSetting> declared_;
  bool all_settings_known_ = false;  ///< no role is unknown, no recipe bad
};

}  // namespace

Environment read_environment(const Project& project, const std::filesystem::path& file, Problems& problems) {
  return EnvironmentReader(project, file, problems).read();
}

}  // namespace imgbuild
