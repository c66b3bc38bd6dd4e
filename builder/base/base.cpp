#include "base/base.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include <nlohmann/json.hpp>

#include "util/digest.h"
#include "util/disk_writer.h"
#include "util/error.h"
#include "util/io.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string content_digest(const Base& base) {
  Sha256 digest;
  for (const std::string& field :
       {std::string("base 1"), base.tree_sha256, base.boot_sha256, to_json(base.layout)}) {
    digest.update_field(field);
  }
  return digest.hex();
}

/// The name as part of a file name: it may be a path.
std::string folder_name(const Base& base) {
  constexpr std::size_t kMost = 64;
  std::string name = base.name.size() > kMost ? base.name.substr(base.name.size() - kMost) : base.name;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-') c = '_';
  }
  return name + "-" + base.digest.substr(0, 16);
}

/// The base in this folder; nothing if its record is damaged or its files are not there.
std::optional<Base> read_record(const fs::path& folder) {
  try {
    Base base = base_from_json(io::read_file(folder / "base.json", 4_MiB), folder);
    if (!fs::is_regular_file(base.tree()) || !fs::is_regular_file(base.boot())) return std::nullopt;
    return base;
  } catch (const Error&) {
    return std::nullopt;  // a damaged cache entry is a miss, not an error
  }
}

bool has_good_content(const Base& base) {
  return sha256_file(base.boot()) == base.boot_sha256 && sha256_file(base.tree()) == base.tree_sha256;
}

void put_in_place(const fs::path& bases, const fs::path& made, const Base& base) {
  const fs::path target = bases / folder_name(base);
  for (const char* name : {"base.json", "boot.raw", "tree.tar"}) io::sync(io::open_for_update(made / name));
  io::sync_directory(made);
  const fs::path old = made.parent_path() / "old";
  if (fs::exists(target)) io::rename(target, old);  // goes with the temporary folder
  io::rename(made, target);
  io::sync_directory(bases);
}

}  // namespace

std::vector<Base> list_bases(const fs::path& bases) {
  std::vector<Base> found;
  std::error_code absent;
  for (const fs::directory_entry& entry : fs::directory_iterator(bases, absent)) {
    if (std::optional<Base> base = read_record(entry.path())) found.push_back(std::move(*base));
  }
  std::sort(found.begin(), found.end(), [](const Base& a, const Base& b) {
    return std::tie(a.name, b.made, a.digest) < std::tie(b.name, a.made, b.digest);
  });
  return found;
}

std::optional<Base> load_base(const fs::path& bases, const std::string& name, BaseCheck check) {
  for (Base& base : list_bases(bases)) {
    if (base.name != name) continue;
    if (check == BaseCheck::record || has_good_content(base)) return std::move(base);
  }
  return std::nullopt;
}

std::string to_json(const Base& base) {
  return json{{"version", 1},
              {"name", base.name},
              {"digest", base.digest},
              {"tree_sha256", base.tree_sha256},
              {"boot_sha256", base.boot_sha256},
              {"layout", json::parse(to_json(base.layout))},
              {"distribution", base.distribution},
              {"release", base.release},
              {"architecture", base.architecture},
              {"made", base.made.time_since_epoch().count()},
              {"origin", base.origin}}
             .dump(1) +
         "\n";
}

Base base_from_json(const std::string& text, const fs::path& folder) {
  try {
    const json node = json::parse(text);
    Base base;
    base.folder = folder;
    node.at("name").get_to(base.name);
    node.at("digest").get_to(base.digest);
    node.at("tree_sha256").get_to(base.tree_sha256);
    node.at("boot_sha256").get_to(base.boot_sha256);
    base.layout = disk_layout_from_json(node.at("layout").dump(), (folder / "base.json").native());
    node.at("distribution").get_to(base.distribution);
    node.at("release").get_to(base.release);
    node.at("architecture").get_to(base.architecture);
    base.made = std::chrono::sys_seconds(std::chrono::seconds(node.at("made").get<std::int64_t>()));
    node.at("origin").get_to(base.origin);
    if (content_digest(base) == base.digest && folder.filename() == folder_name(base)) return base;
  } catch (const json::exception& error) {
    throw Error(ExitCode::verification_failed, "{}/base.json: is damaged: {}", folder.native(), error.what());
  }
  throw Error(ExitCode::verification_failed, "{}/base.json: is damaged: its digest is another",
              folder.native());
}

Base save_base(const fs::path& bases, const NewBase& made) {
  (void)io::sweep_temporaries(bases);  // how many does not matter here
  const io::TemporaryDirectory work(bases, "base");
  const fs::path folder = work.path() / "new";
  io::make_directories(folder, 0755);
  Base base = made.base;
  base.tree_sha256 = archive_tree(made.tree, folder / "tree.tar");
  io::set_length(io::create_exclusive(folder / "boot.raw", 0644), {});
  copy_boot_area(made.disk, folder / "boot.raw", base.layout);
  base.boot_sha256 = sha256_file(folder / "boot.raw");
  base.digest = content_digest(base);
  base.folder = bases / folder_name(base);
  io::write_file(folder / "base.json", to_json(base), 0644);
  put_in_place(bases, folder, base);
  return base;
}

Base adopt_base(const fs::path& bases, const fs::path& folder) {
  Base base = base_from_json(io::read_file(folder / "base.json", 4_MiB), folder);
  if (!has_good_content(base)) throw Error(ExitCode::verification_failed, "{}: its files are not those of its record", folder.native());
  const io::TemporaryDirectory work(bases, "base");
  io::rename(folder, work.path() / "new");
  base.folder = bases / folder_name(base);
  put_in_place(bases, work.path() / "new", base);
  return base;
}

OsRelease parse_os_release(const std::string& text, const std::string& origin) {
  OsRelease release;
  const std::array<std::pair<std::string, std::string*>, 3> wanted = {
      {{"ID=", &release.id}, {"VERSION_ID=", &release.version_id}, {"VERSION_CODENAME=", &release.codename}}};
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    for (const auto& [key, value] : wanted) {
      if (!line.starts_with(key)) continue;
      *value = line.substr(key.size());
      std::erase(*value, '"');
    }
  }
  if (release.id.empty()) throw Error(ExitCode::bad_input, "{}: says no ID", origin);
  return release;
}

}  // namespace imgbuild
