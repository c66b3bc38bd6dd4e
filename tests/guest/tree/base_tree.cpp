#include "guest/tree/base_tree.h"

#include "util/command.h"
#include "util/io.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

const fs::path kCache = fs::path(IMGBUILD_BINARY_DIR) / "test-cache" / "tree";

fs::path make_archive() {
  const fs::path archive = kCache / "base-1.tar";
  io::make_directories(kCache, 0755);
  const io::FileLock lock(kCache / "base.lock", [] {});
  if (fs::exists(archive)) return archive;
  const fs::path temporary = kCache / "base.tmp.tar";
  SystemCommandRunner runner;
  (void)run_checked(runner, {.program = "mmdebstrap",
                             .arguments = {"--variant=apt", "--include=systemd-sysv,passwd,adduser", "bookworm",
                                           temporary.native()}});
  io::rename(temporary, archive);
  return archive;
}

}  // namespace

const fs::path& base_archive() {
  static const fs::path archive = make_archive();
  return archive;
}

fs::path package_cache() { return kCache / "packages"; }

void make_base_tree(const fs::path& folder) { (void)extract_tree(base_archive(), folder); }

}  // namespace imgbuild
