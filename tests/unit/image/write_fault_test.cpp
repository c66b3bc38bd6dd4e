#include <cstdlib>

#include "unit/image/sample_disk.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr const char* kFolder = "IMGBUILD_TEST_FORMATS";  ///< set: this process is the child that writes formats into this folder
constexpr int kMostCalls = 400;
const std::vector<std::string> kNames = {"box-libvirt", "ova", "raw", "raw.zst", "vhd", "vhdx"};  // all writers are in it

class WriteFault : public SampleDisk {
 protected:
  /// Writes a few formats in a child whose n-th change to the disk fails. True if it came to the end.
  bool child_writes(const fs::path& folder, int n, const char* fault) {
    const CommandResult result = runner_.run({
        .program = fs::read_symlink("/proc/self/exe"),
        .arguments = {"--gtest_filter=WriteFault.ChildWritesFormats"},
        .environment = {fmt::format("{}={}", kFolder, folder.native()), fmt::format("IMGBUILD_IO_FAULT={}:{}", n, fault)},
    });
    return result.succeeded();
  }
};

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

/// By itself it writes into a folder of its own, so that it is a test too. What it needs besides is made without counted calls.
TEST_F(WriteFault, ChildWritesFormats) {
  const char* given = std::getenv(kFolder);
  const fs::path folder = given != nullptr ? fs::path(given) : out("formats");
  fs::create_directory(folder);
  const fs::path raw = given != nullptr ? folder.parent_path() / "source.raw" : raw_;
  if (given == nullptr) put(1 << 20, random_bytes(70'000));
  std::vector<FormatRequest> requests;
  for (const std::string& name : kNames) requests.push_back({.format = name, .out = folder / name});
  (void)write_formats(raw, "web", requests);
  EXPECT_EQ(names_in(folder), kNames);
}

TEST_F(WriteFault, AtAnyWriteLeavesNothing) {
  put(1 << 20, random_bytes(70'000) + std::string(5000, 'x'));
  set_length(3 << 20);
  fs::rename(raw_, out("source.raw"));
  int n = 1;
  for (; n < kMostCalls; ++n) {
    const fs::path folder = out(fmt::format("formats-{}", n));
    if (child_writes(folder, n, n % 2 == 0 ? "enospc" : "eio")) break;
    // The first calls are those of the child's own folder and disk.
    EXPECT_EQ(fs::exists(folder) ? names_in(folder) : std::vector<std::string>{}, std::vector<std::string>{}) << n;
    fs::remove_all(folder);
  }
  EXPECT_GT(n, 60);
  EXPECT_LT(n, kMostCalls);
}

}  // namespace
}  // namespace imgbuild
