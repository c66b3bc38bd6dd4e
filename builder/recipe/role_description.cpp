#include "recipe/role_description.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>

#include "recipe/read.h"
#include "recipe/read_common.h"
#include "recipe/text_rules.h"
#include "util/error.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;
using enum yaml::Need;
using yaml::Fields;
using yaml::Key;

constexpr const char* kFolder = "usr/lib/appliance";

// Their other lists are the runtime's own business.
constexpr Key kCommonKeys[] = {{"groups", required}, {"settings"}, {"files"}, {"units"}, {"databases"}, {"users"}, {"listen"}};
constexpr Key kPartKeys[] = {{"settings"}, {"files"}, {"units"}, {"databases"}, {"users"}, {"listen"}};
constexpr Key kRoleKeys[] = {{"include"}, {"settings"}, {"files"}, {"units"}, {"databases"}, {"users"}, {"listen"}};
constexpr Key kListenKeys[] = {{"port", required}, {"protocol"}, {"from", required}, {"open"},
                               {"tls"},            {"mutual"},   {"payload"},        {"loopback"}};

class DescriptionReader {
 public:
  DescriptionReader(const Project& project, const std::string& role, Problems& problems)
      : project_(project), role_(role), problems_(problems) {}

  RoleDescription read() {
    for (const Step& step : read_recipe(project_, role_, problems_).steps) {
      if (const auto* overlay = std::get_if<OverlayStep>(&step)) overlays_.push_back(overlay->folder);
    }
    read_file("common.yml", kCommonKeys, [&](const Fields& fields) {
      read_groups(fields);
      read_listen(fields);
    });
    read_file(fmt::format("roles.d/{}.yml", role_), kRoleKeys, [&](const Fields& fields) {
      read_parts(fields);
      read_listen(fields);
    });
    return std::move(description_);
  }

 private:
  /// Where the image gets the file from.
  [[nodiscard]] fs::path find(const std::string& name) const {
    std::error_code ignored;
    for (auto overlay = overlays_.rbegin(); overlay != overlays_.rend(); ++overlay) {
      const fs::path file = *overlay / kFolder / name;
      if (fs::is_regular_file(file, ignored)) return file;
    }
    throw Error(ExitCode::bad_input, "recipes/{}.yml: none of its overlays holds '{}/{}'", role_, kFolder, name);
  }

  template <typename Read>
  void read_file(const std::string& name, std::span<const Key> keys, Read read) {
    const fs::path file = find(name);
    FileProblems problems(display_path(project_, file), problems_);
    const std::optional<yaml::Node> root = read_document(file, problems);
    if (root) read(Fields(problems, *root, "the description", keys));
  }

  void read_groups(const Fields& fields) {
    const yaml::Node* groups = fields.find("groups");
    if (groups == nullptr) return;
    for (const yaml::Entry& entry : yaml::read_entries(fields.problems(), *groups, "groups")) {
      description_.groups[entry.key] =
          yaml::read_texts(fields.problems(), entry.value, "groups: " + entry.key, rules::kWord);
    }
  }

  void read_parts(const Fields& fields) {
    for (const std::string& part : fields.texts("include", rules::kWord))
      read_file(fmt::format("parts/{}.yml", part), kPartKeys, [&](const Fields& inner) { read_listen(inner); });
  }

  void read_listen(const Fields& fields) {
    int number = 0;
    for (const yaml::Node& node : fields.list("listen")) {
      const std::string title = fmt::format("listen {}", ++number);
      description_.listen.push_back(read_row(Fields(fields.problems(), node, title, kListenKeys, title + ": ")));
    }
  }

  ListenRow read_row(const Fields& fields) {
    ListenRow row;
    row.port = static_cast<unsigned>(fields.integer("port", 1, 65535).value_or(0));
    row.protocol =
        fields.find("protocol") == nullptr
            ? "tcp"
            : read_choice(fields, "protocol", {.what = "protocol", .known = {"tcp", "udp"}}).value_or("");
    row.from = read_sources(fields);
    if (read_choice(fields, "open", {.what = "time", .known = {"always"}})) row.open = ListenRow::Open::always;
    if (fields.boolean("loopback").value_or(false)) row.loopback = ListenRow::Loopback::yes;
    if (fields.boolean("payload").value_or(false)) row.payload = ListenRow::Payload::yes;
    for (const char* key : {"tls", "mutual"}) (void)fields.boolean(key);  // of what listens there: only their form matters here
    return row;
  }

  std::vector<std::string> read_sources(const Fields& fields) {
    std::vector<std::string> known = {"world", "ops", "internal"};
    for (const auto& [group, roles] : description_.groups) known.push_back(group);
    std::vector<std::string> sources;
    int number = 0;
    for (const yaml::Node& node : fields.list("from")) {
      const std::string where = fmt::format("{} {}", fields.where("from"), ++number);
      const std::optional<std::string> source =
          read_choice(fields.problems(), node, where, {.what = "source", .known = known});
      if (source) sources.push_back(*source);
    }
    return sources;
  }

  const Project& project_;
  const std::string& role_;
  Problems& problems_;
  std::vector<fs::path> overlays_;
  RoleDescription description_;
};

}  // namespace

RoleDescription read_role_description(const Project& project, const std::string& role, Problems& problems) {
  return DescriptionReader(project, role, problems).read();
}

}  // namespace imgbuild
