#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "image/disk_writer.h"

namespace imgbuild {

/// A text that stands before the disk in an archive.
struct TarText {
  std::string name;
  std::string text;
};

/// The header of a member (ustar, 0644, root): 512 bytes. Members of 8 GiB and more have their size in base 256, as GNU tar and
/// libarchive write and read it.
[[nodiscard]] std::string tar_header(const std::string& name, std::uint64_t size);

/// Texts as members of a tar archive.
[[nodiscard]] std::string tar_members(const std::vector<TarText>& texts);

/// What texts may say of the disk they stand before.
struct DiskInTar {
  std::uint64_t size = 0;  ///< bytes of the member
  std::string digest;      ///< its SHA-256, if it was written front to back
};

/// Writes a tar archive: texts, then a disk, which another writer writes. The texts are known at last only, so their place is
/// left free first: their lengths must not depend on the disk. The file's order must be 'anywhere'.
template <typename Writer>
class TarredDisk {
 public:
  using Texts = std::function<std::vector<TarText>(const DiskInTar&)>;

  template <typename... Arguments>
  TarredDisk(OutputFile& file, Texts texts, std::string disk_name, Arguments... arguments)
      : file_(file), texts_(std::move(texts)), disk_name_(std::move(disk_name)), begin_(reserve()), writer_(file, arguments...) {}

  void add(const Piece& piece) { writer_.add(piece); }

  void finish() {
    writer_.finish();
    const std::uint64_t size = file_.size() - begin_;
    const DiskInTar disk = {.size = size, .digest = file_.end_part()};
    file_.align(512);
    file_.append_zeros(1024);
    file_.write_at(0, tar_members(texts_(disk)) + tar_header(disk_name_, disk.size));
  }

 private:
  /// Returns where the disk begins.
  std::uint64_t reserve() {
    file_.append_zeros(tar_members(texts_({.size = 0, .digest = std::string(64, '0')})).size() + 512);
    file_.begin_part();
    return file_.size();
  }

  OutputFile& file_;
  Texts texts_;
  std::string disk_name_;
  std::uint64_t begin_;
  Writer writer_;
};

}  // namespace imgbuild
