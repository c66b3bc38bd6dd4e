#include <nlohmann/json.hpp>

#include "build/base_supply.h"
#include "build/cache.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "inspect/image_facts.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

namespace {

std::string content_of(const Partition& partition) {
  if (partition.content == Partition::Content::boot_area) return "boot area";
  return fmt::format("ext4 on {}, label '{}'", partition.mount_point, partition.ext4.label);
}

std::string file_system_id(const Partition& partition) { return partition.content == Partition::Content::ext4 ? partition.ext4.uuid : ""; }

void print_section(Session& session, const std::string& title, const Rows& rows) {
  session.print("");
  session.print(fmt::format("{} ({})", title, rows.size() - 1));
  for (const std::string& line : table_lines(rows)) session.print("  " + line);
}

void print_text(Session& session, const ImageContent& content, const ImageFacts& facts) {
  session.print(fmt::format("{} disk of {}, {} {}", content.format, format_byte_size({content.size}), content.release.id, content.release.version_id));
  Rows partitions = {{"NUMBER", "SIZE", "CONTENT", "UUID"}};
  for (const Partition& partition : content.layout.partitions) {
    partitions.push_back({fmt::format("{}", partition.number), format_byte_size({partition.sectors * kSectorSize}), content_of(partition), file_system_id(partition)});
  }
  print_section(session, "partitions", partitions);
  Rows users = {{"NAME", "UID", "SHELL", "PASSWORD"}};
  for (const ImageUser& user : facts.users) users.push_back({user.name, user.uid, user.shell, user.password});
  print_section(session, "accounts that can log in", users);
  Rows units = {{"UNIT", "STATE"}};
  for (const auto& [name, state] : facts.units) units.push_back({name, state});
  print_section(session, "units", units);
  Rows settings = {{"WHERE", "SETTING", "VALUE"}};
  for (const ImageSetting& setting : facts.settings) settings.push_back({setting.place, setting.name, setting.value});
  print_section(session, "settings", settings);
  Rows packages = {{"PACKAGE", "VERSION", "ARCHITECTURE"}};
  for (const ManifestPackage& package : facts.packages) packages.push_back({package.name, package.version, package.architecture});
  print_section(session, "packages", packages);
}

Json to_json(const ImageContent& content, const ImageFacts& facts) {
  Json partitions = Json::array();
  for (const Partition& partition : content.layout.partitions) {
    partitions.push_back({{"number", partition.number}, {"first_sector", partition.first_sector}, {"sectors", partition.sectors},
                          {"content", partition.content == Partition::Content::ext4 ? "ext4" : "boot area"}, {"mount_point", partition.mount_point},
                          {"uuid", file_system_id(partition)}});
  }
  Json users = Json::array();
  for (const ImageUser& user : facts.users) users.push_back({{"name", user.name}, {"uid", user.uid}, {"shell", user.shell}, {"password", user.password}});
  Json settings = Json::array();
  for (const ImageSetting& setting : facts.settings) settings.push_back({{"place", setting.place}, {"name", setting.name}, {"value", setting.value}});
  Json packages = Json::array();
  for (const ManifestPackage& package : facts.packages) {
    packages.push_back({{"name", package.name}, {"version", package.version}, {"architecture", package.architecture}});
  }
  return {{"version", 1}, {"format", content.format}, {"size", content.size}, {"distribution", content.release.id}, {"release", content.release.version_id},
          {"partitions", partitions}, {"users", users}, {"units", facts.units}, {"settings", settings}, {"packages", packages}};
}

void run(Session& session, const fs::path& image) {
  const Cache cache = open_cache();
  const DiskReading reading = {.work = cache.work(), .acceleration = guestfs_acceleration(cache, session.runner(), session.status())};
  const ImageContent content = read_image(image, Depth::settings, reading, session.runner(), session.status());
  const ImageFacts facts = facts_of(content);
  session.forget_stage();
  if (session.output == Session::Output::json) return session.print(to_json(content, facts).dump(-1, ' ', false, Json::error_handler_t::replace));
  print_text(session, content, facts);
}

}  // namespace

void add_inspect_command(CLI::App& app, Session& session) {
  const auto image = std::make_shared<fs::path>();
  CLI::App* command = app.add_subcommand("inspect", "What is in an image: partitions, accounts, units, settings, packages");
  command->add_option("image", *image, "Disk to read from outside, of any format")->required();
  command->callback([image, &session] { run(session, *image); });
}

}  // namespace imgbuild
