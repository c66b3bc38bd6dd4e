#include <algorithm>

#include "base/base.h"
#include "build/bundle.h"
#include "tree/package_store.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/problems.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Kind = ArchiveMember::Kind;

namespace {

constexpr ByteSize kLongestList = 64_MiB;

Error unexpected(const fs::path& file, const std::string& found, const std::string& expected) {
  return Error(ExitCode::verification_failed, "{}: holds {} where {} should be", file.native(), found, expected);
}

BundleList read_list(MemberReader& reader, const fs::path& file) {
  const std::optional<ArchiveMember> first = reader.next();
  if (!first || first->path != kBundleList || first->kind != Kind::file) {
    throw unexpected(file, first ? shown(first->path) : "nothing", shown(kBundleList));
  }
  return bundle_list_from_json(reader.read_text(kLongestList), fmt::format("{}: {}", file.native(), kBundleList));
}

void require_same(const std::optional<ArchiveMember>& found, const ArchiveMember& listed, const fs::path& file) {
  if (!found) throw unexpected(file, "nothing", shown(listed.path));
  if (found->path != listed.path) throw unexpected(file, shown(found->path), shown(listed.path));
  if (found->kind != listed.kind || found->size != listed.size || found->target != listed.target) {
    throw Error(ExitCode::verification_failed, "{}: member {} is not as {} says", file.native(), shown(listed.path), kBundleList);
  }
}

/// Unpacks the member at hand, which 'listed' describes.
void unpack(MemberReader& reader, const BundleMember& listed, const fs::path& target, const fs::path& file) {
  io::make_directories(target.parent_path(), 0755);
  const ArchiveMember& member = listed.member;
  if (member.kind == Kind::folder) return io::make_directories(target, 0755);
  if (member.kind == Kind::link) return fs::create_symlink(member.target, target);
  const std::string digest = reader.copy_to(target, member.kind == Kind::program ? 0755 : 0644);
  if (digest == listed.sha256) return;
  throw Error(ExitCode::verification_failed, "{}: member {} has SHA-256 {}, expected {}", file.native(), shown(member.path), digest,
              listed.sha256);
}

/// All members, checked, below 'folder'.
BundleList unpack_all(const fs::path& file, const fs::path& folder, Status& status) {
  MemberReader reader(file);
  const BundleList list = read_list(reader, file);
  std::size_t done = 0;
  for (const BundleMember& listed : list.members) {
    require_same(reader.next(), listed.member, file);
    status.progress(++done, list.members.size(), listed.member.path);
    unpack(reader, listed, folder / listed.member.path, file);
  }
  if (const std::optional<ArchiveMember> more = reader.next()) throw unexpected(file, shown(more->path), "its end");
  return list;
}

void require_digest(const fs::path& file, const std::optional<std::string>& wanted) {
  if (!wanted) return;
  const std::string digest = sha256_file(file);
  if (digest != *wanted) throw Error(ExitCode::verification_failed, "{}: has SHA-256 {}, expected {}", file.native(), digest, *wanted);
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code absent;  // a bundle without packages has no such folder
  for (const auto& entry : fs::directory_iterator(folder, absent)) entries.push_back(entry.path());
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

ImportedBundle import_bundle(const fs::path& file, const std::optional<std::string>& sha256, const std::optional<fs::path>& project,
                             const Cache& cache, Status& status) {
  if (project && fs::exists(fs::symlink_status(*project))) {
    throw Error(ExitCode::bad_input, "{}: is there already", project->native()).set_hint("name a new folder for the project with -o");
  }
  status.begin("checking " + file.filename().native());
  require_digest(file, sha256);
  const io::TemporaryDirectory work(cache.work(), "bundle");
  const BundleList list = unpack_all(file, work.path(), status);
  // From here everything has its digest.
  ImportedBundle imported{.deployment = list.deployment};
  const io::FileLock lock(cache.bases() / ".lock", [&] { status.note("another imgbuild makes a base; waiting"); });
  for (const fs::path& folder : entries_of(work.path() / "bases")) imported.bases.push_back(adopt_base(cache.bases(), folder).name);
  const PackageStore store(cache.packages());
  for (const fs::path& package : entries_of(work.path() / "packages")) {
    store.keep(package.stem(), package);
    ++imported.packages;
  }
  if (project) {
    io::make_directories(fs::absolute(*project).parent_path(), 0755);
    fs::copy(work.path() / "project", *project, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  }
  status.end(fmt::format("{} packages", imported.packages));
  return imported;
}

}  // namespace imgbuild
