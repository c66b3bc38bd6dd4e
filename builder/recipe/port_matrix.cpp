#include "recipe/port_matrix.h"

#include <algorithm>
#include <map>

#include "recipe/address.h"
#include "recipe/role_description.h"

namespace imgbuild {
namespace {

std::string single(const std::string& address) {
  const std::optional<IpAddress> ip = parse_ip(address);
  return address + (ip && ip->length == 16 ? "/128" : "/32");
}

std::vector<PortSource> sources_of(const std::string& source, const RoleDescription& role, const Environment& environment,
                                   const Machine& to) {
  std::vector<PortSource> sources;
  if (source == "internal") sources.push_back({.name = source, .network = environment.internal_network});
  if (source == "ops") {
    for (const std::string& network : environment.ops_networks) sources.push_back({.name = source, .network = network});
  }
  const auto group = role.groups.find(source);
  if (group == role.groups.end()) return sources;
  for (const Machine& machine : environment.machines) {
    const bool is_in = std::ranges::find(group->second, machine.role) != group->second.end();
    if (is_in && machine.name != to.name) sources.push_back({.name = machine.name, .network = single(machine.private_ip)});
  }
  return sources;
}

/// Each once; the world makes the others needless.
std::vector<PortSource> all_sources(const ListenRow& row, const RoleDescription& role, const Environment& environment,
                                    const Machine& to) {
  if (std::ranges::find(row.from, "world") != row.from.end()) return {{.name = "world", .network = {}}};
  std::vector<PortSource> all;
  for (const std::string& name : row.from) {
    for (PortSource& source : sources_of(name, role, environment, to)) {
      if (std::ranges::find(all, source) == all.end()) all.push_back(std::move(source));
    }
  }
  return all;
}

std::vector<PortRow> rows_of(const Machine& machine, const RoleDescription& role, const Environment& environment) {
  std::vector<PortRow> rows;
  for (const ListenRow& listen : role.listen) {
    if (listen.loopback == ListenRow::Loopback::yes) continue;
    PortRow row = {.to = machine.name, .port = listen.port, .protocol = listen.protocol, .from = {}};
    row.from = all_sources(listen, role, environment, machine);
    if (row.from.empty()) continue;  // a group of which it is the only one
    if (listen.open == ListenRow::Open::always) row.opens = PortRow::Opens::always;
    if (listen.payload == ListenRow::Payload::yes) row.payload = PortRow::Payload::yes;
    if (std::ranges::find(rows, row) == rows.end()) rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, {}, [](const PortRow& row) { return std::pair(row.port, row.protocol); });
  return rows;
}

}  // namespace

std::vector<PortRow> port_matrix(const Project& project, const Environment& environment, Problems& problems) {
  std::map<std::string, RoleDescription> roles;
  std::vector<PortRow> matrix;
  for (const Machine& machine : environment.machines) {
    auto role = roles.find(machine.role);
    if (role == roles.end()) {
      role = roles.emplace(machine.role, read_role_description(project, machine.role, problems)).first;
    }
    std::ranges::move(rows_of(machine, role->second, environment), std::back_inserter(matrix));
  }
  return matrix;
}

}  // namespace imgbuild
