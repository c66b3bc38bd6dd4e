#include "build/image_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ranges>

#include "build/layer_key.h"
#include "tree/apply.h"
#include "tree/libguestfs_guest.h"
#include "tree/native_guest.h"
#include "tree/pin_times.h"
#include "util/error.h"
#include "util/grub.h"
#include "util/root_folder.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

void unpack_base(const Base& base, const fs::path& tree, Status& status) {
  status.begin("unpacking base " + base.name);
  ExtractOptions options = {.expected_sha256 = base.tree_sha256};
  options.progress = [&](std::uint64_t done, std::uint64_t total) { status.progress(done, total, ""); };
  (void)extract_tree(base.tree(), tree, options);
  status.end("");
}

std::int64_t newest_time(const fs::path& tree) {
  std::int64_t newest = 0;
  for (const TreeEntry& entry : list_tree(RootFolder(tree))) newest = std::max<std::int64_t>(newest, entry.status.st_mtime);
  return newest;
}

/// A layer of packages is used however old it is: who wants newer ones must know.
void tell_age(const Layer& layer, const Step& step, Status& status) {
  const auto age = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now() - layer.made);
  if (!std::holds_alternative<PackagesStep>(step) || age.count() < 1) return;
  status.note(fmt::format("the packages are those of {} ago; --rebuild installs newer ones", age.count() == 1 ? "a day" : fmt::format("{} days", age.count())));
}

void append(PackageLock& all, const PackageLock& packages) { all.insert(all.end(), packages.begin(), packages.end()); }

/// The root folder of the stack is that of its topmost layer, so each has the owner, mode and time of the one below.
void make_like(const fs::path& below, const fs::path& upper) {
  struct stat status = {};
  if (::stat(below.c_str(), &status) != 0) throw system_error(errno, fmt::format("cannot look at '{}'", below.native()));
  const timespec times[2] = {status.st_mtim, status.st_mtim};
  if (::chown(upper.c_str(), status.st_uid, status.st_gid) != 0 || ::chmod(upper.c_str(), status.st_mode & 07777) != 0 ||
      ::utimensat(AT_FDCWD, upper.c_str(), times, 0) != 0) {
    throw system_error(errno, fmt::format("cannot set owner, mode and time of '{}'", upper.native()));
  }
}

}  // namespace

ImageTree::ImageTree(const TreeRequest& request, const fs::path& work, Status& status)
    : request_(request), work_(work), tree_(work / "tree"), status_(status), store_(request.cache.layers()) {
  store_.sweep();
  lock_.emplace(store_.lock_for_use(status_));
  const bool is_native = request.options.backend != TreeBackend::libguestfs;
  if (is_native && can_mount_overlay(request.cache.layers())) {
    stack_layers();
    return;
  }
  if (is_native) status_.note(fmt::format("no overlay can be mounted in '{}', so every step runs", request.cache.layers().native()));
  unpack();
  run_steps();
}

std::unique_ptr<Guest> ImageTree::open() {
  const std::vector<std::string> device_files = grub_device_files(request_.base.layout);
  if (request_.options.backend != TreeBackend::libguestfs) {
    return make_native_guest({.tree = tree_, .source_date_epoch = epoch_, .device_files = device_files});
  }
  return make_libguestfs_guest({.tree = tree_, .work = work_, .source_date_epoch = epoch_, .device_files = device_files}, status_);
}

void ImageTree::unpack() {
  unpack_base(request_.base, tree_, status_);
  epoch_ = std::min<std::int64_t>(newest_time(tree_), request_.base.made.time_since_epoch().count());
}

void ImageTree::run_steps() {
  const std::unique_ptr<Guest> guest = open();
  for (std::size_t i = 0; i < request_.plan.steps.size(); ++i) append(packages_, apply_step(*guest, i));
  guest->finish();
}

PackageLock ImageTree::apply_step(Guest& guest, std::size_t index) {
  StepContext context = {.package_cache = request_.cache.packages(), .work = work_, .proxy = request_.options.proxy,
                         .stand_ins = grub_stand_ins(request_.base.layout), .network = request_.options.network};
  const PlannedStep& planned = request_.plan.steps[index];
  if (planned.lock) context.lock = &*planned.lock;
  PackageLock installed;
  context.installed = &installed;
  const Step& step = planned.step;
  try {
    apply(guest, step, context, status_);
    return installed;
  } catch (Error& error) {
    throw error.add_context(fmt::format("doing step {} ({}) of role '{}'", index + 1, describe(step), request_.plan.recipe.role));
  }
}

void ImageTree::stack_layers() {
  enter_mount_namespace();
  io::make_directories(tree_, 0755);
  const bool anew = request_.options.rebuild == BuildOptions::Rebuild::yes;
  const auto provide = [&](const Layer& wanted, const LayerStore::Make& make) {
    return anew ? store_.make_anew(wanted, make, status_) : store_.find_or_make(wanted, make, status_);
  };
  stack_.push_back(provide(base_layer(), [&](const fs::path& upper, const fs::path&) {
    unpack_base(request_.base, upper, status_);
    return PackageLock{};
  }));
  epoch_ = std::min<std::int64_t>(stack_.front().newest, request_.base.made.time_since_epoch().count());
  for (std::size_t i = 0; i < request_.plan.steps.size(); ++i) {
    stack_.push_back(provide(step_layer(i), [&](const fs::path& upper, const fs::path& work) { return make_step(i, upper, work); }));
    append(packages_, stack_.back().packages);
    tell_age(stack_.back(), request_.plan.steps[i].step, status_);
  }
  for (const char* name : {"upper", "kernel"}) io::make_directories(work_ / name, 0755);
  make_like(stack_.back().tree(), work_ / "upper");
  mount_.emplace(folders(work_ / "upper", work_ / "kernel"), tree_);
}

std::vector<std::string> ImageTree::keys() const {
  std::vector<std::string> keys;
  for (const Layer& layer : stack_ | std::views::drop(1)) keys.push_back(layer.key);
  keys.resize(request_.plan.steps.size());
  return keys;
}

Layer ImageTree::base_layer() const {
  return {.key = base_layer_key(request_.base), .step = "base " + fs::path(request_.base.name).filename().native()};
}

Layer ImageTree::step_layer(std::size_t index) const {
  const PlannedStep& planned = request_.plan.steps[index];
  return {.key = layer_key(stack_.back(), planned), .parent = stack_.back().key, .step = describe(planned.step)};
}

PackageLock ImageTree::make_step(std::size_t index, const fs::path& upper, const fs::path& work) {
  make_like(stack_.back().tree(), upper);
  PackageLock packages;
  {
    const OverlayMount mount(folders(upper, work), tree_);
    const std::unique_ptr<Guest> guest = open();
    packages = apply_step(*guest, index);
    guest->finish();
  }
  // Here, for through the mount of a later layer each file would have to be copied for it.
  pin_times(RootFolder(upper), epoch_);
  return packages;
}

OverlayFolders ImageTree::folders(const fs::path& upper, const fs::path& work) const {
  OverlayFolders folders{.upper = upper, .work = work};
  for (const Layer& layer : stack_ | std::views::reverse) folders.lower.push_back(layer.tree());
  return folders;
}

}  // namespace imgbuild
