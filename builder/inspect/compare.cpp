#include "inspect/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "inspect/boot_rows.h"
#include "util/error.h"
#include "util/problems.h"

namespace imgbuild {
namespace {

std::string_view name_of(char type) {
  switch (type) {
    case 'f': return "file";
    case 'd': return "folder";
    case 'l': return "link";
    case 'c': return "character device";
    case 'b': return "block device";
    case 'p': return "FIFO";
    default: return "socket";
  }
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Made by mke2fs in each file system; no tree has it.
bool is_lost_and_found(const TreeRecord& record) {
  return (record.path == "/lost+found" || record.path == "/boot/lost+found") && record.type == 'd' && record.mode == 0700 && record.uid == 0 && record.gid == 0;
}

/// The same but for the time, which folders have for another reason.
TreeRecord without_time(TreeRecord record) {
  record.mtime = 0;
  return record;
}

class Comparing {
 public:
  explicit Comparing(Booted booted) : booted_(booted) {}

  void add(const TreeRecord* expected, const TreeRecord* found) {
    if (expected != nullptr && found != nullptr) ++result_.compared;
    if (expected != nullptr && found != nullptr && *expected == *found) return;
    if (expected == nullptr && is_lost_and_found(*found)) return;
    const std::string& path = (expected != nullptr ? expected : found)->path;
    if (booted_ == Booted::yes && may_become(expected, found)) {
      result_.excepted.push_back(path);
      // A new name, or one that was replaced by a rename.
      touched_.insert(parent_of(path));
      return;
    }
    if (expected == nullptr) {
      result_.differences.push_back({path, fmt::format("is not of the image: {}, mode {:04o}, owner {}:{}", name_of(found->type), found->mode, found->uid, found->gid)});
    } else if (found == nullptr) {
      result_.differences.push_back({path, "is missing"});
    } else if (expected->type == 'd' && without_time(*expected) == without_time(*found)) {
      times_.push_back({path, difference_of(*expected, *found)});
    } else {
      result_.differences.push_back({path, difference_of(*expected, *found)});
    }
  }

  Comparison finish() {
    for (Difference& time : times_) {
      if (touched_.contains(time.place)) {
        result_.excepted.push_back(time.place);
      } else {
        result_.differences.push_back(std::move(time));
      }
    }
    std::ranges::sort(result_.differences, {}, &Difference::place);
    std::ranges::sort(result_.excepted);
    return std::move(result_);
  }

 private:
  Booted booted_;
  Comparison result_;
  std::vector<Difference> times_;   ///< folders of which only the time differs
  std::set<std::string> touched_;   ///< folders in which a name may have come or gone
};

}  // namespace

std::string difference_of(const TreeRecord& expected, const TreeRecord& found) {
  if (expected.type != found.type) return fmt::format("is a {}, must be a {}", name_of(found.type), name_of(expected.type));
  std::vector<std::string> parts;
  if (expected.mode != found.mode) parts.push_back(fmt::format("has mode {:04o}, must be {:04o}", found.mode, expected.mode));
  if (expected.uid != found.uid || expected.gid != found.gid) {
    parts.push_back(fmt::format("belongs to {}:{}, must be {}:{}", found.uid, found.gid, expected.uid, expected.gid));
  }
  if (expected.type == 'l' && expected.content != found.content) {
    parts.push_back(fmt::format("leads to {}, must be {}", shown(found.content), shown(expected.content)));
  } else if (expected.size != found.size) {
    parts.push_back(fmt::format("has {} bytes, must be {}", found.size, expected.size));
  } else if (expected.content != found.content) {
    parts.push_back("has another content");
  }
  if (expected.attributes != found.attributes) {
    parts.push_back(fmt::format("has attributes {}, must be {}", shown(found.attributes), shown(expected.attributes)));
  }
  if (expected.mtime != found.mtime) parts.push_back(fmt::format("has time {}, must be {}", found.mtime, expected.mtime));
  return fmt::format("{}", fmt::join(parts, "; "));
}

Comparison compare_files(const std::vector<TreeRecord>& expected, const std::vector<TreeRecord>& found, Booted booted) {
  std::map<std::string_view, std::pair<const TreeRecord*, const TreeRecord*>> pairs;
  for (const TreeRecord& record : expected) pairs[record.path].first = &record;
  for (const TreeRecord& record : found) pairs[record.path].second = &record;
  Comparing comparing(booted);
  for (const auto& [path, pair] : pairs) comparing.add(pair.first, pair.second);
  return comparing.finish();
}

}  // namespace imgbuild
