#include "util/disk_writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/ranges.h>

#include "util/digest.h"
#include "util/error.h"
#include "util/gpt.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// `metadata_csum_seed` and `orphan_file` are not here: GRUB 2.06 refuses to read a file system with them.
constexpr std::array<std::string_view, 17> kKnownFeatures = {
    "has_journal", "ext_attr",    "resize_inode",  "dir_index",     "filetype",   "extent",
    "64bit",       "flex_bg",     "sparse_super",  "sparse_super2", "large_file", "huge_file",
    "dir_nlink",   "extra_isize", "metadata_csum", "uninit_bg",     "inline_data"};

/// mke2fs_preload.so lies beside our program.
fs::path preload_module() {
  const char* folder = std::getenv("IMGBUILD_LIBEXEC");
  const fs::path path =
      (folder != nullptr ? fs::path(folder) : fs::read_symlink("/proc/self/exe").parent_path()) /
      "mke2fs_preload.so";
  if (!fs::exists(path)) {
    throw Error(ExitCode::host_unfit, "cannot find '{}'", path.native())
        .set_hint("build the target mke2fs_preload, or set IMGBUILD_LIBEXEC to its folder");
  }
  return path;
}

/// Directory hashes must not depend on chance: the seed comes from the file system's own id.
std::string hash_seed(const std::string& uuid) {
  const std::string hex = sha256("imgbuild hash seed " + uuid);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20, 12));
}

/// "device:inode" of the folders other partitions are mounted on; the preloaded module shows them as empty.
std::string emptied_folders(const DiskLayout& layout, const Partition& partition, const fs::path& root) {
  std::vector<std::string> folders;
  for (const Partition& other : layout.partitions) {
    if (other.content != Partition::Content::ext4 || other.number == partition.number ||
        other.mount_point == "/")
      continue;
    struct stat info {};
    const fs::path folder = root / other.mount_point.substr(1);
    if (::lstat(folder.c_str(), &info) != 0)
      throw system_error(errno, fmt::format("cannot read '{}'", folder.native()));
    folders.push_back(fmt::format("{}:{}", info.st_dev, info.st_ino));
  }
  return fmt::format("{}", fmt::join(folders, ","));
}

Command mke2fs_command(const fs::path& raw, const DiskLayout& layout, const Partition& partition,
                       const TreeSource& source) {
  const Ext4Identity& ext4 = partition.ext4;
  const std::string time = std::to_string(source.newest.time_since_epoch().count());
  const fs::path folder = fs::absolute(source.root / partition.mount_point.substr(1));
  const fs::path module = fs::absolute(preload_module());
  return {.program = "mke2fs",
          .arguments = {"-t",
                        "ext4",
                        "-q",
                        "-F",
                        "-b",
                        "4096",
                        "-i",
                        "16384",
                        "-m",
                        "5",
                        "-I",
                        std::to_string(ext4.inode_size),
                        "-U",
                        ext4.uuid,
                        "-L",
                        ext4.label,
                        "-O",
                        fmt::format("none,{}", fmt::join(kept_features(ext4.features), ",")),
                        "-E",
                        fmt::format(
                            "offset={},hash_seed={},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0",
                            partition.first_sector * kSectorSize, hash_seed(ext4.uuid)),
                        "-d",
                        folder.native(),
                        fs::absolute(raw).native(),
                        fmt::format("{}k", partition.sectors / 2)},
          .environment = {"LD_PRELOAD=./" + module.filename().native(), "E2FSPROGS_FAKE_TIME=" + time,
                          "IMGBUILD_NEWEST=" + time,
                          "IMGBUILD_EMPTY=" + emptied_folders(layout, partition, source.root)},
          .directory = module.parent_path(),  // and a relative path, for LD_PRELOAD is cut at spaces and colons
          .before_exec = source.before_exec};
}

void copy_range(const io::File& from, const io::File& to, std::uint64_t offset, std::uint64_t size) {
  std::string block(1 << 16, '\0');
  for (std::uint64_t end = offset + size; offset < end;) {
    const std::size_t wanted = std::min<std::uint64_t>(block.size(), end - offset);
    const ssize_t got = ::pread(from.fd(), block.data(), wanted, static_cast<off_t>(offset));
    if (got < 0) throw system_error(errno, fmt::format("cannot read '{}'", from.path().native()));
    if (got == 0)
      return;  // shorter than the layout: a boot area file ends with its last byte that is not zero
    const std::string_view bytes(block.data(), static_cast<std::size_t>(got));
    if (bytes.find_first_not_of('\0') != std::string_view::npos) io::write_all_at(to, bytes, offset);
    offset += bytes.size();
  }
}

}  // namespace

void write_partition_table(const fs::path& raw, const DiskLayout& layout) {
  const std::uint64_t size = fs::file_size(raw);
  if (size % kSectorSize != 0) {
    throw Error(ExitCode::bad_input, "'{}': its length {} is no whole number of sectors", raw.native(), size);
  }
  const GptBytes table = make_gpt(layout, size / kSectorSize);
  const io::File file = io::open_for_update(raw);
  io::write_all_at(file, std::string_view(table.head).substr(kBootCodeSize), kBootCodeSize);
  io::write_all_at(file, table.tail, size - table.tail.size());
}

void copy_boot_area(const fs::path& from, const fs::path& to, const DiskLayout& layout) {
  const io::File source = io::open_for_reading(from);
  const io::File target = io::open_for_update(to);
  copy_range(source, target, 0, kBootCodeSize);
  for (const Partition& partition : layout.partitions) {
    if (partition.content != Partition::Content::boot_area) continue;
    copy_range(source, target, partition.first_sector * kSectorSize, partition.sectors * kSectorSize);
  }
}

void make_ext4(CommandRunner& runner, const fs::path& raw, const DiskLayout& layout,
               const Partition& partition, const TreeSource& source) {
  const Command command = mke2fs_command(raw, layout, partition, source);
  const CommandResult result = runner.run(command);
  if (result.succeeded()) return;
  if (result.err.find("Could not allocate") != std::string::npos ||
      result.err.find("No free space") != std::string::npos) {
    throw Error(ExitCode::step_failed, "file system '{}' of {} is too small for its files",
                partition.mount_point, format_byte_size({partition.sectors * kSectorSize}))
        .set_hint("raise 'disk:' in the recipe");
  }
  if (result.err.find(std::strerror(ENOSPC)) != std::string::npos) throw system_error(ENOSPC, fmt::format("cannot write '{}'", raw.native()));
  throw command_error(command, result);
}

std::vector<std::string> kept_features(const std::vector<std::string>& features) {
  std::vector<std::string> kept;
  for (const std::string& feature : features) {
    if (std::find(kKnownFeatures.begin(), kKnownFeatures.end(), feature) != kKnownFeatures.end())
      kept.push_back(feature);
  }
  return kept;
}

}  // namespace imgbuild
