#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "build/bundle.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/problems.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Kind = ArchiveMember::Kind;

namespace {

constexpr std::array<std::pair<Kind, const char*>, 4> kKinds = {
    {{Kind::file, "file"}, {Kind::program, "program"}, {Kind::folder, "folder"}, {Kind::link, "link"}}};

const char* name_of(Kind kind) { return std::ranges::find(kKinds, kind, &std::pair<Kind, const char*>::first)->second; }

std::optional<Kind> kind_named(const std::string& name) {
  const auto place = std::ranges::find_if(kKinds, [&](const auto& row) { return name == row.second; });
  return place == kKinds.end() ? std::nullopt : std::optional(place->first);
}

bool has_plain_parts(const fs::path& path) {
  return path.native() == path.lexically_normal().native() &&
         std::ranges::all_of(path, [](const fs::path& part) { return !part.empty() && part != "." && part != ".."; });
}

/// Exactly what a bundle holds, so that nothing else can be written anywhere.
bool is_bundle_path(const BundleMember& listed) {
  const std::string& path = listed.member.path;
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos || !has_plain_parts(path)) return false;
  if (path.starts_with("project/")) return true;
  if (listed.member.kind != Kind::file) return false;
  if (path.starts_with("packages/")) return path == "packages/" + listed.sha256 + ".deb";
  if (!path.starts_with("bases/") || std::ranges::count(path, '/') != 2) return false;
  const std::string name = fs::path(path).filename();
  return name == "base.json" || name == "boot.raw" || name == "tree.tar";
}

BundleMember read_member(const Json& json, const std::string& origin) {
  BundleMember listed;
  listed.member.path = json.at("path");
  const std::optional<Kind> kind = kind_named(json.at("kind"));
  const bool is_file = kind == Kind::file || kind == Kind::program;
  if (is_file) {
    listed.member.size = json.at("size").get<std::uint64_t>();
    listed.sha256 = json.at("sha256");
  } else if (kind == Kind::link) {
    listed.member.target = json.at("target");
  }
  listed.member.kind = kind.value_or(Kind::file);
  if (!kind || (is_file && !is_sha256(listed.sha256)) || !is_bundle_path(listed)) {
    throw Error(ExitCode::verification_failed, "{}: member {} is none that a bundle has", origin, shown(listed.member.path));
  }
  return listed;
}

/// No member twice, and none below one that is no folder: a link there would lead elsewhere.
void require_tree(const BundleList& list, const std::string& origin) {
  std::set<std::string> all;
  std::set<std::string> leaves;
  for (const BundleMember& listed : list.members) {
    if (!all.insert(listed.member.path).second) {
      throw Error(ExitCode::verification_failed, "{}: member {} is there twice", origin, shown(listed.member.path));
    }
    if (listed.member.kind != Kind::folder) leaves.insert(listed.member.path);
  }
  for (const BundleMember& listed : list.members) {
    for (fs::path above = fs::path(listed.member.path).parent_path(); !above.empty(); above = above.parent_path()) {
      if (!leaves.contains(above.native())) continue;
      throw Error(ExitCode::verification_failed, "{}: member {} is below {}, which is no folder", origin, shown(listed.member.path),
                  shown(above.native()));
    }
  }
}

}  // namespace

std::string to_json(const BundleList& list) {
  Json members = Json::array();
  for (const BundleMember& listed : list.members) {
    Json json = {{"path", listed.member.path}, {"kind", name_of(listed.member.kind)}};
    if (listed.member.kind == Kind::link) {
      json["target"] = listed.member.target;
    } else if (listed.member.kind != Kind::folder) {
      json["size"] = listed.member.size;
      json["sha256"] = listed.sha256;
    }
    members.push_back(std::move(json));
  }
  return Json{{"version", 1}, {"imgbuild", IMGBUILD_VERSION}, {"deployment", list.deployment}, {"members", members}}.dump(1) + "\n";
}

BundleList bundle_list_from_json(const std::string& text, const std::string& origin) {
  BundleList list;
  try {
    const Json json = Json::parse(text);
    if (json.at("version") != 1) {
      throw Error(ExitCode::verification_failed, "{}: is of version {}, this imgbuild reads 1", origin, json.at("version").dump());
    }
    list.deployment = json.at("deployment");
    for (const Json& member : json.at("members")) list.members.push_back(read_member(member, origin));
  } catch (const Json::exception&) {
    throw Error(ExitCode::verification_failed, "{}: is no list of members", origin);
  }
  require_tree(list, origin);
  return list;
}

}  // namespace imgbuild
