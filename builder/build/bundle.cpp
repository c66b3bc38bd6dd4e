#include "build/bundle.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/base.h"
#include "build/locked_plan.h"
#include "recipe/read.h"
#include "tree/folder_guest.h"
#include "tree/package_store.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Kind = ArchiveMember::Kind;

namespace {

/// Members by path, and the files they are made from.
class Collection {
 public:
  explicit Collection(const Project& project) : project_(project) {
    for (const fs::path& folder : {project.recipes(), project.overlays(), project.cidata()}) add_folder(project_path(folder), folder);
  }

  void add_recipe(const Recipe& recipe) {
    for (const fs::path& file : recipe_files(project_, recipe.role)) add_project_file(file);
    add_project_file(project_.cidata() / (recipe.seed + ".yml"));
    for (const Step& step : recipe.steps) {
      std::visit([this](const auto& kind) { add_step(kind); }, step);
    }
  }

  void add_base(const Base& base) {
    const std::string folder = "bases/" + base.folder.filename().native() + "/";
    add_file(folder + "base.json", base.folder / "base.json", sha256_file(base.folder / "base.json"));
    add_file(folder + "boot.raw", base.boot(), base.boot_sha256);
    add_file(folder + "tree.tar", base.tree(), base.tree_sha256);
  }

  void add_package(const LockedPackage& package, const fs::path& file) {
    add_file("packages/" + package.sha256 + ".deb", file, package.sha256);
  }

  void add_lock(const std::string& name, const fs::path& file) { add_file("project/" + name, file, sha256_file(file)); }

  /// Writes them; the project first, for it is small and tells most.
  std::string write(const std::string& deployment, const fs::path& file, Status& status) const {
    BundleList list{.deployment = deployment};
    std::vector<const Source*> sources;
    for (const char* part : {"project/", "bases/", "packages/"}) {
      for (const auto& [path, source] : sources_) {
        if (!path.starts_with(part)) continue;
        list.members.push_back(source.listed);
        sources.push_back(&source);
      }
    }
    MemberWriter writer(file, 0644);
    writer.add_text(kBundleList, to_json(list));
    std::size_t done = 0;
    for (const Source* source : sources) {
      status.progress(++done, sources.size(), source->listed.member.path);
      const std::string digest = writer.add(source->listed.member, source->file);
      if (source->listed.sha256.empty() || digest == source->listed.sha256) continue;
      throw Error(ExitCode::verification_failed, "{}: has SHA-256 {}, expected {}", source->file.native(), digest, source->listed.sha256);
    }
    return writer.commit();
  }

 private:
  struct Source {
    BundleMember listed;
    fs::path file;
  };

  void add_file(const std::string& path, const fs::path& file, const std::string& sha256) {
    const bool is_program = (fs::status(file).permissions() & fs::perms::owner_exec) != fs::perms::none;
    const bool keeps_mode = path.starts_with("project/");
    sources_[path] = {.listed = {.member = {.kind = is_program && keeps_mode ? Kind::program : Kind::file, .path = path, .size = fs::file_size(file)},
                                 .sha256 = sha256},
                      .file = file};
  }

  [[nodiscard]] std::string project_path(const fs::path& file) const {
    const fs::path path = file.lexically_relative(project_.root);
    if (!path.empty() && path.native() != "." && *path.begin() != "..") return "project/" + path.native();
    throw Error(ExitCode::bad_input, "{}: is outside of the project, a bundle can't hold it", file.native())
        .set_hint(fmt::format("move it below '{}' and name it relative to the recipe", project_.root.native()));
  }

  void add_project_file(const fs::path& file) { add_file(project_path(file), file, sha256_file(file)); }

  void add_folder(const std::string& path, const fs::path& folder) {
    sources_[path] = {.listed = {.member = {.kind = Kind::folder, .path = path}}, .file = folder};
  }

  void add_step(const PackagesStep&) {}
  void add_step(const ServicesStep&) {}
  void add_step(const RunStep& step) { add_project_file(step.script); }
  void add_step(const PayloadStep& step) {
    add_project_file(step.install);
    add_file(project_path(step.file), step.file, step.sha256);
  }
  void add_step(const OverlayStep& step) {
    const std::string top = project_path(step.folder);
    add_folder(top, step.folder);
    for (const FolderItem& item : folder_items(step.folder)) {
      const fs::path file = step.folder / item.path;
      const std::string path = top + "/" + item.path;
      if (item.kind == FolderItem::Kind::folder) {
        add_folder(path, file);
      } else if (item.kind == FolderItem::Kind::link) {
        sources_[path] = {.listed = {.member = {.kind = Kind::link, .path = path, .target = fs::read_symlink(file)}}, .file = file};
      } else {
        add_file(path, file, sha256_file(file));
      }
    }
  }

  const Project& project_;
  std::map<std::string, Source> sources_;
};

/// All roles whose recipes are looked at when the images are made: those of the environment, and those that share an image.
std::set<std::string> roles_of(const std::vector<Plan>& plans) {
  std::set<std::string> roles;
  for (const Plan& plan : plans) roles.insert(plan.roles.begin(), plan.roles.end());
  for (const Machine& machine : plans.front().environment.machines) roles.insert(machine.role);
  return roles;
}

Recipe read_good_recipe(const Project& project, const std::string& role) {
  Problems problems;
  Recipe recipe = read_recipe(project, role, problems);
  problems.throw_if_any();
  return recipe;
}

void require_portable(const std::string& base) {
  if (base.find('/') == std::string::npos) return;
  throw Error(ExitCode::bad_input, "base '{}' is a disk image of this machine, a bundle can't hold it", base)
      .set_hint("copy the image to the other machine, and import it there under the same path");
}

Base pinned_base(const Plan& plan, const Cache& cache) {
  if (std::optional<Base> base = find_pinned_base(plan, cache)) return *std::move(base);
  throw Error(ExitCode::bad_input, "base '{}' with the digest {} of the lock is not in the cache", plan.base, plan.base_digest)
      .set_hint(fmt::format("imgbuild lock --env {}", plan.environment.file.native()));
}

}  // namespace

WrittenBundle write_bundle(const Project& project, const std::vector<Plan>& plans, const fs::path& file, const Cache& cache,
                           const std::string& proxy, Status& status) {
  Collection collection(project);
  const PackageStore store(cache.packages());
  WrittenBundle written;
  std::set<std::string> packages;
  for (const Plan& plan : plans) {
    require_portable(plan.base);
    collection.add_base(pinned_base(plan, cache));
    for (const PlannedStep& planned : plan.steps) {
      if (!planned.lock) continue;
      status.begin("fetching packages");
      store.download(*planned.lock, proxy, status);
      status.end("");
      for (const LockedPackage& package : *planned.lock) {
        if (packages.insert(package.sha256).second) collection.add_package(package, store.path_of(package));
      }
    }
  }
  for (const std::string& role : roles_of(plans)) collection.add_recipe(read_good_recipe(project, role));
  const fs::path lock = lock_path(plans.front().environment.file);
  collection.add_lock(lock.filename(), lock);
  status.begin("writing " + file.filename().native());
  written.sha256 = collection.write(plans.front().environment.deployment, file, status);
  written.size = fs::file_size(file);
  written.packages = packages.size();
  status.end(format_byte_size({written.size}));
  return written;
}

}  // namespace imgbuild
