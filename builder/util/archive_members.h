#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "util/size.h"

namespace imgbuild {

/// A member of an archive of plain things: no owners, no times, no modes but that a file may be a program.
struct ArchiveMember {
  enum class Kind { file, program, folder, link } kind = Kind::file;
  std::string path;        ///< relative
  std::uint64_t size = 0;  ///< of a file, bytes
  std::string target = {};  ///< of a link
};

/// Writes a zstd-compressed tar archive: the same members in the same order give the same bytes. It appears complete under its
/// name, or not at all. All methods throw Error; Interrupted.
class MemberWriter {
 public:
  MemberWriter(const std::filesystem::path& archive, std::uint32_t mode);
  ~MemberWriter();
  MemberWriter(const MemberWriter&) = delete;
  MemberWriter& operator=(const MemberWriter&) = delete;

  void add_text(const std::string& path, std::string_view text);
  /// A member whose content is that of the file 'from'; of a folder or link it is not looked at. Returns the content's SHA-256.
  /// Throws Error too if the file is not as long as the member says.
  std::string add(const ArchiveMember& member, const std::filesystem::path& from);
  /// Returns the SHA-256 of the archive.
  std::string commit();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// Reads such an archive from its beginning to its end. Nothing of it is believed: the caller compares paths and digests. Throws
/// Error (verification failed) where it is cut off, damaged or holds anything else.
class MemberReader {
 public:
  explicit MemberReader(const std::filesystem::path& archive);
  ~MemberReader();
  MemberReader(const MemberReader&) = delete;
  MemberReader& operator=(const MemberReader&) = delete;

  /// The next member, nothing at the end.
  [[nodiscard]] std::optional<ArchiveMember> next();
  /// The content of the member at hand. Throws Error if it is longer than 'limit'.
  [[nodiscard]] std::string read_text(ByteSize limit);
  /// Writes the content of the member at hand to 'target', which must not exist, with holes for zeros. Returns its SHA-256.
  std::string copy_to(const std::filesystem::path& target, std::uint32_t mode);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imgbuild
