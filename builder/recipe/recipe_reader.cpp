#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "recipe/read.h"
#include "recipe/read_common.h"
#include "recipe/schema.h"
#include "recipe/step_reader.h"
#include "recipe/text_rules.h"
#include "util/error.h"
#include "util/suggest.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;
using yaml::Fields;
using yaml::Node;

class RecipeReader {
 public:
  RecipeReader(const Project& project, Problems& problems) : project_(project), problems_(problems) {}

  /// All files read so far.
  [[nodiscard]] const std::vector<fs::path>& files() const { return files_; }

  Recipe read(const std::string& role) {
    recipe_.role = role;
    recipe_.file = project_.recipes() / (role + ".yml");
    FileProblems problems(display_path(project_, recipe_.file), problems_);
    files_.push_back(recipe_.file);
    open_files_.push_back(fs::canonical(recipe_.file));
    const std::optional<Node> root = read_document(recipe_.file, problems);
    if (!root) return std::move(recipe_);
    const Fields fields(problems, *root, "the recipe", schema::kRecipe);
    read_header(fields);
    read_body(fields, recipe_.file, problems);
    for (auto& [name, declaration] : settings_) recipe_.settings.push_back(std::move(declaration));
    return std::move(recipe_);
  }

 private:
  void read_header(const Fields& fields) {
    const std::optional<std::string> role = fields.text("role", rules::kWord);
    if (role && *role != recipe_.role)
      fields.problem("role",
                     fmt::format("must be '{}' as the file's name, is {}", recipe_.role, shown(*role)));
    recipe_.description = fields.text("description", rules::kLine).value_or("");
    recipe_.base = read_base(fields, "base", project_.recipes()).value_or("");
    recipe_.disk = read_size(fields, "disk", kLeastDisk, kMostDisk).value_or(ByteSize{});
    read_seed(fields);
    read_formats(fields);
    read_ready(fields);
  }

  void read_seed(const Fields& fields) {
    recipe_.seed = fields.text("seed", rules::kWord).value_or("");
    std::error_code ignored;
    const fs::path file = project_.cidata() / (recipe_.seed + ".yml");
    if (!recipe_.seed.empty() && !fs::is_regular_file(file, ignored))
      fields.problem("seed", "no file " + shown(display_path(project_, file)));
  }

  void read_formats(const Fields& fields) {
    const Node* node = fields.find("formats");
    if (node == nullptr) {
      recipe_.formats = {"qcow2"};
      return;
    }
    int number = 0;
    for (const Node& item : fields.list("formats")) {
      const std::string where = fmt::format("formats {}", ++number);
      const std::optional<std::string> format =
          read_choice(fields.problems(), item, where, {.what = "format", .known = known_formats()});
      if (format) add_formats(fields, item, where, *format);
    }
    if (node->kind == yaml::Kind::list && node->items.empty())
      fields.problem("formats", "must hold at least one format");
  }

  void add_formats(const Fields& fields, const Node& item, const std::string& where, const std::string& word) {
    for (const std::string& format : formats_meant_by(word)) {
      const bool repeated =
          std::find(recipe_.formats.begin(), recipe_.formats.end(), format) != recipe_.formats.end();
      if (repeated) fields.problems().add(item.at, where + ": " + shown(format) + " is there twice");
      recipe_.formats.push_back(format);
    }
  }

  void read_ready(const Fields& fields) {
    const Node* node = fields.find("ready");
    if (node == nullptr) return;
    const Fields ready(fields.problems(), *node, "ready", schema::kReady, "ready: ");
    const std::optional<std::string> timeout = ready.text("timeout", rules::kDuration);
    if (!timeout) return;
    recipe_.ready_timeout = std::chrono::milliseconds(std::stoll(*timeout));
    const bool sensible =
        recipe_.ready_timeout >= std::chrono::seconds(1) && recipe_.ready_timeout <= std::chrono::hours(24);
    if (!sensible) ready.problem("timeout", "must be 1 s to 24 h");
  }

  /// What recipes and included files share.
  void read_body(const Fields& fields, const fs::path& file, FileProblems& problems) {
    if (fields.find("include") != nullptr) read_includes(fields, file, problems);
    if (const Node* settings = fields.find("settings")) {
      for (const yaml::Entry& entry : yaml::read_entries(problems, *settings, "settings"))
        read_setting(entry, problems);
    }
    const StepSource source{.project = project_, .folder = file.parent_path(), .problems = problems};
    int number = 0;
    for (const Node& node : fields.list("steps"))
      if (std::optional<Step> step = read_step(source, node, ++number))
        recipe_.steps.push_back(*std::move(step));
  }

  void read_includes(const Fields& fields, const fs::path& file, FileProblems& problems) {
    int number = 0;
    for (const Node& node : fields.list("include")) {
      const std::string where = fmt::format("include {}", ++number);
      const std::optional<std::string> name = yaml::read_text(problems, node, where, rules::kLine);
      if (!name) continue;
      const std::string wrong = read_included(file, *name);
      if (!wrong.empty()) problems.add(node.at, where + ": " + wrong);
    }
  }

  /// What is wrong with including 'name'; what is wrong inside is noted.
  std::string read_included(const fs::path& includer, const std::string& name) {
    const fs::path path(name);
    const bool leads_out = path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
    if (leads_out) return "must be a path below the recipe's folder, is " + shown(name);
    std::error_code error;
    const fs::path file = fs::canonical(includer.parent_path() / path, error);
    if (error || !fs::is_regular_file(file, error)) return "no file " + shown(name);
    if (std::find(open_files_.begin(), open_files_.end(), file) != open_files_.end())
      return shown(name) + " includes itself";
    if (!included_files_.insert(file).second) return shown(name) + " is included already";
    files_.push_back(includer.parent_path() / path);
    FileProblems problems(display_path(project_, file), problems_);
    const std::optional<Node> root = read_document(file, problems);
    if (!root) return {};
    open_files_.push_back(file);
    read_body(Fields(problems, *root, "the included file", schema::kIncluded), file, problems);
    open_files_.pop_back();
    return {};
  }

  void read_setting(const yaml::Entry& entry, FileProblems& problems) {
    const std::string where = "setting " + shown(entry.key);
    if (!rules::kSettingName.canonical(entry.key))
      problems.add(entry.at, fmt::format("{}: must be {}", where, rules::kSettingName.must_be));
    Node record = entry.value;
    if (record.kind == yaml::Kind::scalar) {  // short for {type: WORD}
      record = yaml::map({{.key = "type", .value = entry.value, .at = entry.value.at}});
      record.at = entry.value.at;
    }
    const Fields fields(problems, record, where, schema::kSetting, where + ": ");
    SettingDeclaration declaration{.name = entry.key, .type = {}, .default_value = {}, .description = {}, .leaves = {}};
    declaration.description = fields.text("description", rules::kLine).value_or("");
    const SettingTypeRow* row = read_type(fields);
    if (row == nullptr) return;
    declaration.type = row->type;
    declaration.default_value = read_default(fields, row->type, problems);
    declaration.leaves = read_leaves(fields, row->type);
    if (!settings_.emplace(entry.key, std::move(declaration)).second)
      problems.add(entry.at, where + ": is declared by an included file already");
  }

  static const SettingTypeRow* read_type(const Fields& fields) {
    std::vector<std::string> names;
    for (const SettingTypeRow& row : setting_types()) names.emplace_back(row.name);
    const std::optional<std::string> name = read_choice(fields, "type", {.what = "type", .known = names});
    if (!name) return nullptr;
    return &*std::find_if(setting_types().begin(), setting_types().end(),
                          [&](const SettingTypeRow& row) { return row.name == *name; });
  }

  static std::optional<std::string> read_default(const Fields& fields, SettingType type,
                                                 FileProblems& problems) {
    const Node* node = fields.find("default");
    if (node == nullptr) return std::nullopt;
    if (type != SettingType::secret)
      return read_setting_value(problems, *node, fields.where("default"), type);
    fields.problem("default", "a secret has no default, it would be in every image");
    return std::nullopt;
  }

  static std::optional<ByteSize> read_leaves(const Fields& fields, SettingType type) {
    if (fields.find("leaves") == nullptr) return std::nullopt;
    if (type != SettingType::bytes) fields.problem("leaves", "says nothing but for the type 'bytes'");
    return read_size(fields, "leaves", 1_MiB, kMostDisk);
  }

  const Project& project_;
  Problems& problems_;
  Recipe recipe_;
  std::map<std::string, SettingDeclaration> settings_;
  std::vector<fs::path> open_files_;  ///< the recipe, and what was included on the way to where we are
  std::set<fs::path> included_files_;
  std::vector<fs::path> files_;
};

}  // namespace

Recipe read_recipe(const Project& project, const std::string& role, Problems& problems) {
  std::error_code ignored;
  const bool is_file =
      rules::kWord.canonical(role) && fs::is_regular_file(project.recipes() / (role + ".yml"), ignored);
  if (!is_file) {
    const std::vector<std::string> roles = list_roles(project);
    throw Error(ExitCode::bad_input, "unknown role {}{}", shown(role), did_you_mean(role, roles))
        .set_hint("known roles: " + listed(roles));
  }
  return RecipeReader(project, problems).read(role);
}

std::vector<fs::path> recipe_files(const Project& project, const std::string& role) {
  Problems ignored;  // there are none, our caller says
  RecipeReader reader(project, ignored);
  (void)reader.read(role);
  return reader.files();
}

}  // namespace imgbuild
