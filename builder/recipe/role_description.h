#pragma once

#include <map>
#include <string>
#include <vector>

#include "recipe/project.h"
#include "util/problems.h"

namespace imgbuild {

/// A row of `listen` (overlays/README.md).
struct ListenRow {
  unsigned port = 0;
  std::string protocol;
  std::vector<std::string> from;  ///< world, ops, internal, or a group
  enum class Open { when_ready, always } open = Open::when_ready;
  enum class Loopback { no, yes } loopback = Loopback::no;
  enum class Payload { no, yes } payload = Payload::no;
};

/// What the image of a role says about its ports.
struct RoleDescription {
  std::map<std::string, std::vector<std::string>> groups;  ///< roles, by the group's name
  std::vector<ListenRow> listen;  ///< of what is common, of the parts, of the role: in this order
};

/// Reads it from the overlays of the role's recipe, of which a later one replaces files of an earlier one. What is wrong in
/// the files goes to 'problems'. Throws Error (bad input) if one is missing.
[[nodiscard]] RoleDescription read_role_description(const Project& project, const std::string& role, Problems& problems);

}  // namespace imgbuild
