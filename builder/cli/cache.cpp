#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

#include "build/cache_contents.h"
#include "build/unprivileged.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "util/error.h"

namespace imgbuild {
namespace {

using Items = std::vector<CacheItem>;

struct CacheOptions {
  std::string unused_for = "720 h";
  bool everything = false;
};

ByteSize total(const Items& items) {
  ByteSize sum;
  for (const CacheItem& item : items) sum.bytes += item.bytes;
  return sum;
}

/// Package files are many and small: one line for all.
void print_table(Session& session, const Items& items) {
  std::vector<std::vector<std::string>> rows = {{"KIND", "SIZE", "LAST USED", "NAME"}};
  Items packages;
  for (const CacheItem& item : items) {
    if (item.kind == CacheItem::Kind::package) {
      packages.push_back(item);
    } else {
      rows.push_back({std::string(to_string(item.kind)), format_byte_size({item.bytes}), fmt::format("{:%F %R}", item.used), item.name});
    }
  }
  if (!packages.empty()) {
    rows.push_back({"package", format_byte_size(total(packages)), fmt::format("{:%F %R}", packages.front().used), fmt::format("{} files", packages.size())});
  }
  rows.push_back({"all", format_byte_size(total(items))});
  for (const std::string& line : table_lines(rows)) session.print(line);
}

void print(Session& session, const Items& items) {
  if (session.output == Session::Output::text) return print_table(session, items);
  nlohmann::ordered_json list = nlohmann::json::array();
  for (const CacheItem& item : items) {
    list.push_back({{"kind", to_string(item.kind)}, {"name", item.name}, {"bytes", item.bytes}, {"used", fmt::format("{:%FT%TZ}", item.used)},
                    {"path", item.path.native()}});
  }
  session.print(nlohmann::ordered_json{{"version", 1}, {"bytes", total(items).bytes}, {"items", list}}.dump());
}

/// Layers made without root belong to sub-uids.
Cache open_as_builder(Session& session) {
  const Cache cache = open_cache();
  enter_build_namespace(cache, Appliance::unused, session.runner(), session.status());
  return cache;
}

void prune(Session& session, const CacheOptions& options) {
  const std::optional<std::chrono::milliseconds> unused = parse_duration(options.unused_for);
  if (!unused) throw Error(ExitCode::usage, "--unused-for: '{}' is no duration, such as '48 h'", options.unused_for);
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto before = options.everything ? now + std::chrono::hours(1) : now - std::chrono::floor<std::chrono::seconds>(*unused);
  print(session, prune_cache(open_as_builder(session), before, session.status()));
}

void verify(Session& session) {
  const Cache cache = open_as_builder(session);
  session.status().begin("reading the cache");
  const Items damaged = verify_cache(cache, session.status());
  session.status().end("");
  if (damaged.empty()) return print(session, list_cache(cache));
  print(session, damaged);
  throw Error(ExitCode::verification_failed, "{} of the cache's items are damaged; builds make them anew", damaged.size());
}

}  // namespace

void add_cache_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<CacheOptions>();
  CLI::App* command = app.add_subcommand("cache", "What is kept between builds: list, prune, verify");
  command->require_subcommand(1);
  command->fallthrough();
  command->add_subcommand("list", "Bases, layers, packages and downloads")->callback([&session] { print(session, list_cache(find_cache())); });
  CLI::App* prune_command = command->add_subcommand("prune", "Remove what was not used for long, and bases that have a newer one; print what went");
  prune_command->add_option("--unused-for", options->unused_for, "How long, such as '48 h'")->capture_default_str();
  prune_command->add_flag("--all", options->everything, "Everything that no build uses now");
  prune_command->callback([options, &session] { prune(session, *options); });
  command->add_subcommand("verify", "Read everything and say what is damaged")->callback([&session] { verify(session); });
}

}  // namespace imgbuild
