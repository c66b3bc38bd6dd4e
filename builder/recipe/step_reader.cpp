#include "recipe/step_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "recipe/schema.h"
#include "recipe/text_rules.h"
#include "util/suggest.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;
using yaml::Fields;
using yaml::Node;

enum class Wanted { files, folders };

/// Names in a folder, for "did you mean"; none if there is no such folder.
std::vector<std::string> names_in(const fs::path& folder, Wanted wanted) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (entry.is_directory() == (wanted == Wanted::folders))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

bool leads_out(const fs::path& path) {
  return path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
}

/// The absolute path of a file, after having looked that it is there.
fs::path existing_file(const StepSource& source, const Fields& fields, std::string_view key,
                       const fs::path& path) {
  fs::path file = (source.folder / path).lexically_normal();
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) {
    const std::vector<std::string> names = names_in(file.parent_path(), Wanted::files);
    const std::string nearest = nearest_word(file.filename().string(), names);
    const std::string meant =
        nearest.empty() ? "" : ", did you mean " + shown((path.parent_path() / nearest).string()) + "?";
    fields.problem(key, "no file " + shown(path.string()) + meant);
  }
  return file;
}

/// Scripts are part of the recipe, so they are below its folder.
fs::path read_script(const StepSource& source, const Fields& fields, std::string_view key) {
  const std::optional<std::string> text = fields.text(key, rules::kLine);
  if (!text) return {};
  if (!leads_out(*text)) return existing_file(source, fields, key, *text);
  fields.problem(key, "must be a path below the recipe's folder, is " + shown(*text));
  return {};
}

/// Says which words are in both lists.
void refuse_both(const Fields& fields, std::string_view first, std::string_view second,
                 const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (const std::string& word : a)
    if (std::find(b.begin(), b.end(), word) != b.end())
      fields.problem(second, fmt::format("{} is also in '{}'", shown(word), first));
}

Step read_packages(const StepSource&, const Fields& fields) {
  PackagesStep step;
  step.install = fields.texts("install", rules::kPackage);
  step.remove = fields.texts("remove", rules::kPackage);
  if (fields.boolean("upgrade").value_or(false)) step.upgrade = PackagesStep::Upgrade::yes;
  refuse_both(fields, "install", "remove", step.install, step.remove);
  return step;
}

Step read_overlay(const StepSource& source, const Fields& fields) {
  OverlayStep step{.name = fields.text("name", rules::kWord).value_or(""), .folder = {}};
  if (step.name.empty()) return step;
  step.folder = source.project.overlays() / step.name;
  std::error_code ignored;
  if (!fs::is_directory(step.folder, ignored)) {
    const std::vector<std::string> known = names_in(source.project.overlays(), Wanted::folders);
    fields.problem("name", "no overlay " + shown(step.name) + did_you_mean(step.name, known));
  }
  return step;
}

Step read_payload(const StepSource& source, const Fields& fields) {
  PayloadStep step;
  step.name = fields.text("name", rules::kWord).value_or("");
  step.sha256 = fields.text("sha256", rules::kSha256).value_or("");
  step.install = read_script(source, fields, "install");
  const std::optional<std::string> file = fields.text("file", rules::kLine);
  if (file) step.file = existing_file(source, fields, "file", *file);
  if (fields.find("url") != nullptr)
    fields.problem("url", "is not available in this version",
                   "download the payload yourself and give its path as 'file'");
  else if (fields.is_map() && fields.find("file") == nullptr)
    fields.problem("file", "is missing");
  return step;
}

Step read_run(const StepSource& source, const Fields& fields) {
  return RunStep{.script = read_script(source, fields, "script")};
}

Step read_services(const StepSource&, const Fields& fields) {
  ServicesStep step;
  step.enable = fields.texts("enable", rules::kUnit);
  step.disable = fields.texts("disable", rules::kUnit);
  step.mask = fields.texts("mask", rules::kUnit);
  refuse_both(fields, "enable", "disable", step.enable, step.disable);
  refuse_both(fields, "enable", "mask", step.enable, step.mask);
  return step;
}

/// A new kind of step is a row here, a struct in recipe.h and a table in schema.cpp.
struct StepKind {
  std::string_view name;
  const std::span<const yaml::Key>& keys;
  std::string_view bare_key;  ///< what a bare word stands for; empty: it is not allowed
  Step (*read)(const StepSource&, const Fields&);
};

const StepKind kKinds[] = {
    {"packages", schema::kPackages, "", read_packages}, {"overlay", schema::kOverlay, "name", read_overlay},
    {"payload", schema::kPayload, "", read_payload},    {"run", schema::kRun, "script", read_run},
    {"services", schema::kServices, "", read_services},
};

const StepKind* find_kind(std::string_view name) {
  for (const StepKind& kind : kKinds)
    if (kind.name == name) return &kind;
  return nullptr;
}

/// A bare word is short for the record of that name.
Node as_record(const Node& node, const StepKind& kind) {
  const bool bare = node.kind == yaml::Kind::scalar && !kind.bare_key.empty();
  if (!bare) return node;
  Node record = yaml::map({{.key = std::string(kind.bare_key), .value = node, .at = node.at}});
  record.at = node.at;
  return record;
}

/// The record of a kind whose keys are all optional, but which must have one.
bool is_empty_record(const Node& record) { return record.kind == yaml::Kind::map && record.entries.empty(); }

}  // namespace

const std::vector<std::string>& step_kinds() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const StepKind& kind : kKinds) all.emplace_back(kind.name);
    return all;
  }();
  return names;
}

std::optional<Step> read_step(const StepSource& source, const Node& node, int number) {
  const std::string title = fmt::format("step {}", number);
  if (node.entries.size() != 1) {
    const std::string found = node.entries.empty() ? "" : fmt::format(", has {} keys", node.entries.size());
    source.problems.add(
        node.at, fmt::format("{}: must be a map with one key of {}{}", title, listed(step_kinds()), found));
    return std::nullopt;
  }
  const yaml::Entry& entry = node.entries.front();
  const StepKind* kind = find_kind(entry.key);
  if (kind == nullptr) {
    source.problems.add(entry.at, fmt::format("unknown key {} in {}{}", shown(entry.key), title,
                                              did_you_mean(entry.key, step_kinds())));
    return std::nullopt;
  }
  const Node record = as_record(entry.value, *kind);
  const std::string prefix = fmt::format("{}: {}", title, kind->name);
  if (is_empty_record(record)) source.problems.add(entry.at, prefix + ": does nothing");
  const Fields fields(source.problems, record, prefix, kind->keys, prefix + ": ");
  return kind->read(source, fields);
}

}  // namespace imgbuild
