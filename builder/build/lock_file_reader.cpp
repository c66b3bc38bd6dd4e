#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

#include "build/lock_file.h"
#include "recipe/text_rules.h"
#include "util/error.h"
#include "util/io.h"
#include "util/yaml_fields.h"

namespace imgbuild {
namespace fs = std::filesystem;
using yaml::Fields;
using yaml::Node;

namespace {

using enum yaml::Need;

constexpr yaml::Key kFileKeys[] = {{"version", required}, {"bases", required}, {"steps", required}};
constexpr yaml::Key kBaseKeys[] = {{"name", required}, {"digest", required}};
constexpr yaml::Key kStepKeys[] = {{"step", required}, {"key", required}, {"packages", required}};
constexpr yaml::Key kPackageKeys[] = {{"name", required}, {"version", required}, {"architecture", required}, {"sha256", required},
                                      {"size", required}, {"file", required},    {"uri", required}};
constexpr ByteSize kLongest = 64_MiB;  // 150,000 packages

bool is_of(std::string_view text, std::string_view more) {
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
  });
}

template <typename Condition>
std::optional<std::string> if_it(std::string_view text, Condition condition) {
  if (!condition) return std::nullopt;
  return std::string(text);
}

// Names of files go to the disk and to apt, addresses to the network: nothing unusual in either.
const yaml::TextRule kVersion = {"the version of a package, such as 1:2.3-4",
                                 [](std::string_view text) { return if_it(text, is_of(text, ".+-~:")); }};
const yaml::TextRule kArchitecture = {"an architecture such as amd64 or all",
                                      [](std::string_view text) { return if_it(text, is_of(text, "-")); }};
const yaml::TextRule kFile = {"the name of a package file, such as nginx_1.22.1-9_amd64.deb", [](std::string_view text) {
                                return if_it(text, is_of(text, ".+-~_%") && text.front() != '.' && text.ends_with(".deb"));
                              }};
const yaml::TextRule kUri = {"an address that begins with http:// or https://", [](std::string_view text) {
                               const bool is_web = text.starts_with("http://") || text.starts_with("https://");
                               return if_it(text, is_web && is_of(text, ".+-~_%/:@?=&[]!$'()*,;#"));
                             }};

class LockReader {
 public:
  LockReader(const fs::path& file, Problems& problems) : problems_(file.native(), problems) {}

  LockFile read(const Node& root) {
    const Fields fields(problems_, root, "the lock", kFileKeys);
    const std::optional<std::int64_t> version = fields.integer("version", 0, 1'000'000);
    if (version && *version != 1) fields.problem("version", fmt::format("must be 1, is '{}'", *version));
    for (const Node& node : fields.list("bases")) read_base(node);
    for (const Node& node : fields.list("steps")) read_step(node);
    return std::move(lock_);
  }

 private:
  void read_base(const Node& node) {
    const std::string title = fmt::format("base {}", lock_.bases.size() + 1);
    const Fields fields(problems_, node, title, kBaseKeys, title + ": ");
    LockedBase base = {.name = fields.text("name", rules::kLine).value_or(""), .digest = fields.text("digest", rules::kSha256).value_or("")};
    if (lock_.find_base(base.name) != nullptr) fields.problem("name", shown(base.name) + " is there twice");
    lock_.bases.push_back(std::move(base));
  }

  void read_step(const Node& node) {
    const std::string title = fmt::format("step {}", lock_.steps.size() + 1);
    const Fields fields(problems_, node, title, kStepKeys, title + ": ");
    LockedStep step = {.step = fields.text("step", rules::kLine).value_or(""), .key = fields.text("key", rules::kSha256).value_or("")};
    if (!step.key.empty() && lock_.find_step(step.key) != nullptr) fields.problem("key", shown(step.key) + " is there twice");
    for (const Node& item : fields.list("packages")) read_package(item, title, step.packages);
    lock_.steps.push_back(std::move(step));
  }

  void read_package(const Node& node, const std::string& step, PackageLock& packages) {
    const std::string title = fmt::format("{}: package {}", step, packages.size() + 1);
    const Fields fields(problems_, node, title, kPackageKeys, title + ": ");
    LockedPackage package;
    package.name = fields.text("name", rules::kPackage).value_or("");
    package.version = fields.text("version", kVersion).value_or("");
    package.architecture = fields.text("architecture", kArchitecture).value_or("");
    package.sha256 = fields.text("sha256", rules::kSha256).value_or("");
    package.size = static_cast<std::uint64_t>(fields.integer("size", 1, std::numeric_limits<std::int64_t>::max()).value_or(0));
    package.file = fields.text("file", kFile).value_or("");
    package.uri = fields.text("uri", kUri).value_or("");
    const auto place = [](const LockedPackage& one) { return std::tie(one.name, one.architecture); };
    if (!packages.empty() && !(place(packages.back()) < place(package))) {
      fields.problem("name", fmt::format("{} must come after {}: each name and architecture is there once, sorted", shown(package.name),
                                         shown(packages.back().name)));
    }
    packages.push_back(std::move(package));
  }

  FileProblems problems_;
  LockFile lock_;
};

}  // namespace

std::optional<LockFile> read_lock_file(const fs::path& file, Problems& problems) {
  if (!fs::exists(file)) return std::nullopt;
  const std::optional<Node> root = yaml::read(io::read_file(file, kLongest), file.native(), problems, {.size = kLongest});
  if (!root) return std::nullopt;
  return LockReader(file, problems).read(*root);
}

std::optional<LockFile> read_lock_file(const fs::path& file) {
  Problems problems;
  std::optional<LockFile> lock = read_lock_file(file, problems);
  problems.throw_if_any();
  return lock;
}

}  // namespace imgbuild
