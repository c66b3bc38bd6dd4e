#include "publish/publish_state.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

fs::path state_folder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') return state;
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') throw Error(ExitCode::host_unfit, "neither XDG_STATE_HOME nor HOME says where to remember uploads");
  return fs::path(home) / ".local" / "state";
}

}  // namespace

PublishState::PublishState(const std::string& region) : folder_(state_folder() / "imgbuild" / "ec2" / region) {
  io::make_directories(folder_, 0700);
}

std::vector<std::string> PublishState::journals() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() == ".journal") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

std::optional<PublishState::Last> PublishState::last(const std::string& name) const {
  const fs::path path = folder_ / (name + ".last");
  if (!fs::is_regular_file(fs::symlink_status(path))) return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(io::read_file(path, 1_MiB), nullptr, false);
  if (!json.is_object() || !json.contains("snapshot")) return std::nullopt;
  const std::optional<BlockMap> map = read_map(folder_ / (name + ".map"));
  if (!map || json.value("map", "") != digest_of(*map)) return std::nullopt;  // killed between the two: the next upload is whole
  return Last{.snapshot = json.value("snapshot", ""), .encryption = json.value("encryption", ""), .map = *map};
}

void PublishState::keep_last(const std::string& name, const Last& last) const {
  write_map(folder_ / (name + ".map"), last.map);
  const nlohmann::json json = {{"snapshot", last.snapshot}, {"encryption", last.encryption}, {"map", digest_of(last.map)}};
  io::write_file(folder_ / (name + ".last"), json.dump() + "\n", 0600);
}

}  // namespace imgbuild
